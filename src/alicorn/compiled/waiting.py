"""A word on standard error, through logging, when compiling takes longer than a second."""

import logging
import threading
import time
from typing import Any

from numba.core.compiler import Compiler

PATIENCE = 1.0  # seconds

_log = logging.getLogger("alicorn")
_depth = 0  # of kernels that wait for each other; all state here is guarded by the compiler's lock
_spent = 0.0  # seconds so far
_told = False


class TellingCompiler(Compiler):  # type: ignore[misc]  # numba has no types
    """Numba's compiler; says once in a process what it waits for, when all kernels together have taken a second."""

    def compile_extra(self, func: Any) -> Any:
        global _depth, _spent
        if _depth or _told:
            return super().compile_extra(func)
        timer = threading.Timer(max(0.0, PATIENCE - _spent), _tell)
        timer.daemon = True
        timer.start()
        start = time.monotonic()
        _depth = 1
        try:
            return super().compile_extra(func)
        finally:
            _depth = 0
            timer.cancel()
            _spent += time.monotonic() - start


def be_silent() -> None:
    """For a process whose parent has told."""
    global _told
    _told = True


def _tell() -> None:
    global _told
    _told = True
    _log.warning(
        "alicorn is compiling its loops for this processor, once: they are kept for the next time. "
        "`alicorn compile` compiles all of them ahead."
    )
