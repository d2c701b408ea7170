"""Versions: the contents of a collection at one moment, as a value; how they are read, verified, copied.

version.py, memtable.py   segments on disk, and documents that are in no segment yet
loading.py, replay.py     a version from the manifest, the segments and the journal
verify.py, backup.py      the comparison with the checksums; a copy
"""
