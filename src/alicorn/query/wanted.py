"""Is the answer still wanted? Long loops look at a flag that another thread may set, and end early; then they are left.

A compiled loop gets the address of the flag and looks at it once a block, in some microseconds of work. What it returns
afterwards is a part of the answer, so that the caller checks before it uses any of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from alicorn.compiled import subroutine


class Awaited(Protocol):
    """address: of an int64 that is not 0 when nobody waits any more. check: raises DeadlineError then."""

    @property
    def address(self) -> int: ...

    def check(self) -> None: ...


_now: ContextVar[Awaited | None] = ContextVar("wanted", default=None)


@contextmanager
def as_long_as(wanted: Awaited) -> Iterator[None]:
    """What is searched in the block ends early when it is not wanted any more."""
    before = _now.set(wanted)
    try:
        yield
    finally:
        _now.reset(before)


awaited = _now.get
"""Who waits for the answer; None where nobody says. Called without a Python function of its own."""


def flag() -> int:
    """The address that compiled loops look at; 0 where nobody says."""
    wanted = _now.get()
    return 0 if wanted is None else wanted.address


def check_wanted() -> None:
    """Raise DeadlineError where the answer is not wanted any more."""
    wanted = _now.get()
    if wanted is not None:
        wanted.check()


def _read(_typing: Any, address: Any) -> Any:
    """Read anew each time, whatever the loop around it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), "monotonic", align=8)

    return types.int64(types.intp), generate


_load: Any = intrinsic(_read)


@subroutine
def is_over(flag: int) -> bool:
    """Whether a flag, by its address, is set; 0: never."""
    return flag != 0 and _load(flag) != 0
