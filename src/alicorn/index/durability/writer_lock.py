"""One writer at a time: an exclusive lock on a file of the collection.

The kernel's lock (flock) ends with the process that holds it, however that process ends. The lock belongs to the open
file, which a forked child shares; the child closes its descriptor at once, so it neither keeps nor ends the lock.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from alicorn.errors import CollectionError, cause
from alicorn.processes import forget_in_children

LOCK_FILE = "writer.lock"


class WriterLock:
    """Held from construction to `release`. The file contains the process id of the last holder, for messages."""

    def __init__(self, folder: Path) -> None:
        try:
            descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            message = f"{folder} cannot be opened for writing: {cause(error)}; open it with read_only=True"
            raise CollectionError(message) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise CollectionError(
                f"{folder} is open for writing elsewhere (process {holder or 'unknown'}): "
                "close it there, or open it here with read_only=True"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor: int | None = descriptor
        forget_in_children(self)

    def release(self) -> None:
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # also for a forked child that keeps the descriptor
            self.forget()

    def forget(self) -> None:
        """Called in a forked child, and in one that the child forks: the lock belongs to the parent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def refuse_open_elsewhere(folder: Path) -> None:
    """Raise CollectionError where a process writes to the collection; one that is not there has no writer."""
    if (folder / LOCK_FILE).exists():
        WriterLock(folder).release()
