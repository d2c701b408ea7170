"""Durability: files that survive a crash, the journal and manifest, and the checks that detect lost data.

durable.py, failpoints.py   fsync and rename, and where tests may interrupt them
archive.py, mapping.py      one file of named arrays with checksums, memory-mapped
journal.py, sqlite_file.py  the journal and manifest, and its tables
seal.py, wal.py, mark.py    independent checks that nothing of the journal was lost
open_manifest.py            the bytes of the manifest beside SQLite
writer_lock.py              one writer at a time
"""
