"""What a forked child inherits and must not use: locks, connections, and the threads of libraries.

A fork copies a process with its descriptors, but of its threads only the one that forked. A lock that another thread
held stays locked in the child, a lock on a file is shared with the parent, and a library that waits for its threads
waits for ever. So whatever holds such a thing gives it up in the child, and changes nothing of the parent's.
"""

from __future__ import annotations

import os
import sys
import weakref
from typing import Protocol


class Inherited(Protocol):
    def forget(self) -> None:
        """In a forked child: give up what belongs to the parent. Nothing that the parent sees changes."""


_held: weakref.WeakSet[Inherited] = weakref.WeakSet()
_loaded_at_fork: set[str] = set()


def forget_in_children(one: Inherited) -> None:
    """Call `one.forget()` in every process that is forked from this one while `one` exists."""
    _held.add(one)


def is_forked_with(library: str) -> bool:
    """Whether this process was forked from one that had loaded the library: "faiss" or "torch"."""
    return library in _loaded_at_fork


def _wake_in_child() -> None:
    for one in list(_held):
        one.forget()
    if faiss := sys.modules.get("faiss"):
        _loaded_at_fork.add("faiss")
        faiss.omp_set_num_threads(1)  # its OpenMP would wait for the parent's threads
    if torch := sys.modules.get("torch"):
        _loaded_at_fork.add("torch")
        torch.set_num_threads(1)


os.register_at_fork(after_in_child=_wake_in_child)
