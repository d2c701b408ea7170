"""Numbers that all processes of a server see: a file that each of them maps; of one process, memory of its own.

A number of 8 bytes is read and written at once. What reads and then writes does so under `locked`, whose lock on the
file ends with the process that holds it, however that ends.

    word 0  commits of the collection that are acknowledged     word 1  whether another program writes the collection
    word 2  the number of slots     word 3  the number of the list of models
    then, of each slot: bytes of the bodies that its process holds; the list of models that it has taken, negative where
    it could not load one; whether it lives
    then, of each shadow: sums of its figures (models/shadow.py)
    then, of each rate, of a key or of all: hash, requests a second, tokens, when they were counted (security/bucket.py)
"""

import fcntl
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_SLOTS = 256
MOST_SHADOWS = 16
SHADOW_WORDS = 8
NUM_RATES = 4096
RATE_WORDS = 4
_COMMITS, _READ_ONLY, _NUM_SLOTS, _MODELS = range(4)
_SLOTS = 16
_SHADOWS = _SLOTS + 3 * MOST_SLOTS
_RATES = _SHADOWS + MOST_SHADOWS * SHADOW_WORDS
_WORDS = _RATES + NUM_RATES * RATE_WORDS


class SharedNumbers:
    """Of the processes that open one file. held_bytes, models_taken, lives: by slot. shadows: by place. rates: the
    integers and the same as fractions."""

    def __init__(self, path: Path | None = None) -> None:
        """path: of a file that `create` made; None: of this process alone."""
        self._file = None if path is None else os.open(path, os.O_RDWR | os.O_CLOEXEC)
        whole = memoryview(mmap.mmap(-1 if self._file is None else self._file, _WORDS * 8))
        self._words = whole.cast("q")
        self._lock = threading.Lock()
        num_slots = max(1, self._words[_NUM_SLOTS])
        self.held_bytes, self.models_taken, self.lives = (
            self._words[first : first + num_slots] for first in range(_SLOTS, _SHADOWS, MOST_SLOTS)
        )
        fractions = whole.cast("d")
        self.shadows = [fractions[at : at + SHADOW_WORDS] for at in range(_SHADOWS, _RATES, SHADOW_WORDS)]
        self.rates = self._words[_RATES:], fractions[_RATES:]

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

    @property
    def models(self) -> int:
        """The number of the list of models (models/told_models.py). Set by the owner alone."""
        return self._words[_MODELS]

    @models.setter
    def models(self, number: int) -> None:
        self._words[_MODELS] = number

    def clear(self, slot: int) -> None:
        """Its process ended."""
        for of_slots in (self.held_bytes, self.models_taken, self.lives):
            of_slots[slot] = 0

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
