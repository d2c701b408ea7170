"""The commit mark: the number of acknowledged commits, a check on SQLite's write-ahead log.

    manifest.mark    32 bytes: id of the collection (16), commits (uint64, little-endian), xxh3-64 of the 24 before

SQLite drops the end of a log from the first invalid frame on (wal.py). The mark is overwritten in place after every
commit, without an fsync, which costs a microsecond. It survives a killed process; after a power cut it may be older
than the log, never newer. A log with fewer commits than the mark has lost acknowledged operations.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import xxhash

from alicorn.errors import CorruptionError
from alicorn.index.durability.archive import RESTORE
from alicorn.index.durability.durable import sync_file

MARK = "manifest.mark"
_SIZE = 32


class CommitMark:
    """The mark of a collection that is open for writing."""

    def __init__(self, folder: Path, collection: str) -> None:
        """collection: its id, 32 hex digits."""
        self._descriptor = os.open(folder / MARK, os.O_RDWR | os.O_CLOEXEC)
        self._id = bytes.fromhex(collection)

    def advance(self, commits: int) -> None:
        """Write the number of commits. Never fails: the commit is done, and an older mark is still true."""
        with suppress(OSError):
            os.pwrite(self._descriptor, _encoded(self._id, commits), 0)

    def sync(self) -> None:
        with suppress(OSError):
            os.fsync(self._descriptor)

    def __del__(self) -> None:
        with suppress(AttributeError):  # the file was never opened
            os.close(self._descriptor)


def write_mark(folder: Path, collection: str, commits: int) -> None:
    """Create the mark: durable contents; the caller makes the name durable."""
    with (folder / MARK).open("wb") as file:
        file.write(_encoded(bytes.fromhex(collection), commits))
        sync_file(file, "mark")


def read_mark(folder: Path) -> tuple[str, int]:
    """-> the id of the collection, and the number of acknowledged commits. Raises CorruptionError."""
    path = folder / MARK
    try:
        whole = path.read_bytes()
    except FileNotFoundError as error:
        raise CorruptionError(f"{path} is missing. {RESTORE}") from error
    commits = int.from_bytes(whole[16:24], "little")
    if whole != _encoded(whole[:16], commits):
        raise CorruptionError(f"{path} has changed since it was written: its checksum does not match. {RESTORE}")
    return whole[:16].hex(), commits


def _encoded(collection: bytes, commits: int) -> bytes:
    body = collection + commits.to_bytes(8, "little")
    return body + xxhash.xxh3_64_intdigest(body).to_bytes(8, "little")
