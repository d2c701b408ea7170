"""A word on standard error, through logging, when compiling takes longer than a second; and again much later."""

import logging
import threading
import time
from typing import Any

from numba.core.compiler import Compiler

PATIENCE = 1.0  # seconds
PAUSE = 600.0  # seconds without compiling, after which a wait is another one: a verb of some minutes says it once

_log = logging.getLogger("alicorn")
_depth = 0  # of kernels that wait for each other; all state here is guarded by the compiler's lock
_spent = 0.0  # seconds of this wait so far
_ended = 0.0  # when compiling ended last
_told = False  # of this wait
_silent = False


class TellingCompiler(Compiler):  # type: ignore[misc]  # numba has no types
    """Numba's compiler; says what it waits for when the kernels of one wait have taken a second together.

    Kernels that are compiled within ten minutes after each other are one wait, and it is told once.
    """

    def compile_extra(self, func: Any) -> Any:
        global _depth, _spent, _ended, _told
        if _depth or _silent:
            return super().compile_extra(func)
        start = time.monotonic()
        if start - _ended >= PAUSE:
            _spent, _told = 0.0, False
        timer = threading.Timer(max(0.0, PATIENCE - _spent), _tell)
        timer.daemon = True
        if not _told:
            timer.start()
        _depth = 1
        try:
            return super().compile_extra(func)
        finally:
            _depth = 0
            timer.cancel()
            _ended = time.monotonic()
            _spent += _ended - start


def be_silent() -> None:
    """For a process whose parent has told."""
    global _silent
    _silent = True


def _tell() -> None:
    global _told
    _told = True
    _log.warning(
        "alicorn is compiling loops that this processor needs for the first time: they are kept for the next time. "
        "`alicorn compile` compiles all of them ahead."
    )
