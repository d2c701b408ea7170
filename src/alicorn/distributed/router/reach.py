"""How shards are asked while something is answered: until when, and whether an answer of some of them will do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class ShardReach(NamedTuple):
    """deadline: by time.monotonic; None: as long as the transport waits."""

    partial_answer: bool = False
    deadline: float | None = None


_WHOLE = ShardReach()
REACH = ContextVar("alicorn_reach", default=_WHOLE)
"""Of the thread or task that asks."""


@contextmanager
def reaching(*, partial_answer: bool = False, timeout_s: float | None = None) -> Iterator[None]:
    """Within it, shards have `timeout_s` seconds together, and those that do not answer are left out if they may be.

    So the time counts for everything that an answer takes: its rounds, and the documents that are read of its hits.
    timeout_s None: what is said around it.
    """
    deadline = REACH.get().deadline if timeout_s is None else time.monotonic() + timeout_s
    before = REACH.set(ShardReach(partial_answer, deadline))
    try:
        yield
    finally:
        REACH.reset(before)
