"""Numbers that all processes of a server see: a file that each of them maps; of one process, memory of its own.

A number of 8 bytes is read and written at once. What reads and then writes does so under `locked`, whose lock on the
file ends with the process that holds it, however that ends.

    word 0  commits of the collection that are acknowledged     word 1  whether another program writes the collection
    word 2  the number of slots
    words 16 ...  of each slot: bytes of the bodies that its process holds
    then, of each key with a rate: hash, requests a second, tokens, when they were counted (security/bucket.py)
"""

import fcntl
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_SLOTS = 256
NUM_RATES = 4096
RATE_WORDS = 4
_COMMITS, _READ_ONLY, _NUM_SLOTS = range(3)
_SLOTS = 16
_RATES = _SLOTS + MOST_SLOTS
_WORDS = _RATES + NUM_RATES * RATE_WORDS


class SharedNumbers:
    """Of the processes that open one file. held_bytes: by slot. rates: the integers and the same as fractions."""

    def __init__(self, path: Path | None = None) -> None:
        """path: of a file that `create` made; None: of this process alone."""
        self._file = None if path is None else os.open(path, os.O_RDWR | os.O_CLOEXEC)
        whole = memoryview(mmap.mmap(-1 if self._file is None else self._file, _WORDS * 8))
        self._words = whole.cast("q")
        self._lock = threading.Lock()
        self.held_bytes = self._words[_SLOTS : _SLOTS + max(1, self._words[_NUM_SLOTS])]
        self.rates = self._words[_RATES:], whole.cast("d")[_RATES:]

    @staticmethod
    def create(path: Path, num_slots: int) -> None:
        """All of them zero."""
        assert num_slots <= MOST_SLOTS
        with path.open("xb") as file:
            file.truncate(_WORDS * 8)
        SharedNumbers(path)._words[_NUM_SLOTS] = num_slots

    @property
    def commits(self) -> int:
        """Of the collection, which are acknowledged. Set by the owner alone."""
        return self._words[_COMMITS]

    @commits.setter
    def commits(self, commits: int) -> None:
        self._words[_COMMITS] = commits

    @property
    def is_read_only(self) -> bool:
        """Whether another program writes the collection. Set by the owner alone."""
        return bool(self._words[_READ_ONLY])

    @is_read_only.setter
    def is_read_only(self, is_read_only: bool) -> None:
        self._words[_READ_ONLY] = is_read_only

    def clear(self, slot: int) -> None:
        """Its process ended."""
        self.held_bytes[slot] = 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One thread of one process at a time."""
        with self._lock:
            if self._file is None:
                yield
                return
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
