"""Kernels: functions that are compiled when first imported on a machine, and kept on disk for the next time.

Numba keeps compiled code by the contents of the file that a kernel stands in. But a kernel holds the compiled code of
the functions that it calls, and the constants that it reads, wherever they stand: after an upgrade that changed only
those, the old code would go on running. So the name of what is kept has a digest of all those files in it.
"""

import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
import xxhash

_IMPORTS = re.compile(r"^(?:from (alicorn[\w.]*) import (\([^)]*\)|.*)|import (alicorn[\w.]*).*)$", re.MULTILINE)


def kernel(*signatures: Any, **options: Any) -> Callable[[Callable], Any]:
    """Compile a function for these signatures, with the GIL released; without any, for each when it is first called.

    options: of numba.njit.
    """

    def compile(function: Callable) -> Any:
        name = function.__qualname__
        function.__qualname__ = f"{name}-{_digest(function.__module__)}"  # numba names the file by it
        dispatcher: Any = numba.njit(list(signatures) or None, cache=True, nogil=True, **options)(function)
        function.__qualname__ = dispatcher.__qualname__ = name
        return dispatcher

    return compile


@cache
def _digest(module: str) -> str:
    """Of the source of a module, and of the alicorn modules that it imports, and so on."""
    sources: dict[str, bytes] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        path = Path(getattr(sys.modules.get(name), "__file__", None) or "")
        if name not in sources and path.is_file():  # from an archive or a frozen program there is no file to read
            sources[name] = path.read_bytes()
            pending += _imported(sources[name].decode())
    digest = xxhash.xxh3_64()
    for name in sorted(sources):
        digest.update(sources[name])
    return digest.hexdigest()


def _imported(source: str) -> list[str]:
    """The modules of alicorn that a module imports, at its top level."""
    found = []
    for package, names, plain in _IMPORTS.findall(source):
        for name in re.findall(r"\w+", names) or [""]:
            inner = f"{package}.{name}"
            found.append(plain or (inner if inner in sys.modules else package))
    return found
