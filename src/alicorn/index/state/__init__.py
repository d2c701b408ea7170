"""What does a collection hold at one moment? A version is a value; it is read from the files, verified, copied.

version.py, memtable.py   a version: segments on disk, and documents that are in no segment yet
loading.py, replay.py     from the manifest, the segments and the journal
verify.py, backup.py      is it all there? a copy of it
"""
