"""Numbers that all processes of a server see: a file that each of them maps.

A number of 8 bytes is read and written at once. What reads and then writes does so under `locked`, whose lock on the
file ends with the process that holds it, however that ends.
"""

import fcntl
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_COMMITS, _READ_ONLY = range(2)


class SharedNumbers:
    """Of the processes that open one file."""

    def __init__(self, path: Path) -> None:
        """path: of a file that `create` made."""
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._bytes = mmap.mmap(self._file, 0)
        self._whole = memoryview(self._bytes).cast("q")
        self._lock = threading.Lock()

    @staticmethod
    def create(path: Path) -> None:
        """All of them zero."""
        with path.open("xb") as file:
            file.truncate(mmap.PAGESIZE)

    @property
    def commits(self) -> int:
        """Of the collection, which are acknowledged. Set by the owner alone."""
        return self._whole[_COMMITS]

    @commits.setter
    def commits(self, commits: int) -> None:
        self._whole[_COMMITS] = commits

    @property
    def is_read_only(self) -> bool:
        """Whether another program writes the collection. Set by the owner alone."""
        return bool(self._whole[_READ_ONLY])

    @is_read_only.setter
    def is_read_only(self, is_read_only: bool) -> None:
        self._whole[_READ_ONLY] = is_read_only

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One thread of one process at a time."""
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
