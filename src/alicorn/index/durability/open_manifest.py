"""Reading the bytes of manifest.sqlite while SQLite has the file open.

When a process closes any descriptor of a file, the kernel drops all its locks on it, those of SQLite included. So all
readers of this process share one descriptor, and the last closes it after SQLite has closed the file.

SQLite keeps the state of a file, including its locks, in the memory of the process; a fork makes that state wrong. So a
forked child refuses to open a manifest that was open at the fork.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from alicorn.errors import CollectionError
from alicorn.processes import forget_in_children


@dataclass(eq=False)
class _Shared:
    """An open file of this process. users: the number of its OpenManifests."""

    key: tuple[int, int]  # device and inode
    descriptor: int
    users: int

    def forget(self) -> None:
        """Called in a forked child, and in one that the child forks."""
        if OpenManifest._open.get(self.key) is not self:
            return
        os.close(self.descriptor)
        del OpenManifest._open[self.key]
        OpenManifest._of_parents.add(self.key)
        OpenManifest._guard = threading.Lock()


class OpenManifest:
    """Open it before SQLite opens the file, close it after SQLite has closed it."""

    _open: ClassVar[dict[tuple[int, int], _Shared]] = {}
    _of_parents: ClassVar[set[tuple[int, int]]] = set()  # open when this process was forked
    _guard: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wal = path.with_name(path.name + "-wal")
        with self._guard:
            found = os.stat(path)
            self._key = (found.st_dev, found.st_ino)
            if self._key in self._of_parents:
                raise CollectionError(
                    f"{path.parent} was open in the process that forked this one, and SQLite does not survive a fork: "
                    "open it in a process that was spawned, or close it before the fork"
                )
            if self._key not in self._open:
                shared = _Shared(self._key, os.open(path, os.O_RDONLY | os.O_CLOEXEC), 0)
                self._open[self._key] = shared
                forget_in_children(shared)
            self._open[self._key].users += 1

    def read(self) -> bytes:
        """The whole file as it is now."""
        descriptor = self._open[self._key].descriptor
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)

    def close(self) -> None:
        with self._guard:
            shared = self._open[self._key]
            shared.users -= 1
            if not shared.users:
                del self._open[self._key]
                os.close(shared.descriptor)
