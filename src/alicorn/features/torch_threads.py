"""torch's threads do not survive a fork: a forked child computes with one.

The OpenMP threads that torch has started belong to the parent. A parallel loop in a forked child waits for them for
ever, so every forked child is set to one thread, as torch's own DataLoader does with its workers. A process that is
spawned has threads of its own.
"""

import os
import sys

_forked = False


def is_forked() -> bool:
    """Whether this process was forked from one that had loaded torch."""
    return _forked


def _use_one_thread() -> None:
    global _forked
    if torch := sys.modules.get("torch"):
        _forked = True
        torch.set_num_threads(1)


os.register_at_fork(after_in_child=_use_one_thread)
