"""What does a collection hold at one moment? Its contents as a value; read from the files, verified, copied.

contents.py, memtable.py  the value: segments on disk, and documents that are in no segment yet
loading.py, replay.py     from the manifest, the segments and the journal
verify.py, backup.py      is it all there? a copy of it
"""
