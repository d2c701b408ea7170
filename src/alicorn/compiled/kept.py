"""Compiled code on disk: one file for each kernel and types of arguments.

The first of these folders that can be written takes it. A file is looked for there, and in those before it:

    $NUMBA_CACHE_DIR/alicorn                         where that variable is set; otherwise the next two
    __pycache__/kernels, in the package              also read by users who cannot write there
    $XDG_CACHE_HOME/alicorn or ~/.cache/alicorn      on macOS ~/Library/Caches/alicorn
    $TMPDIR/alicorn-<user id> or /tmp/...            only if it is the user's own, and closed to others

Its name has a digest of all that the code depends on: the sources, the types, the versions of Python, Numba and
llvmlite, and the processor. So nothing is ever overwritten by something else, and what is stale is just not found.

A file: xxh3 (16 bytes) of the rest; a pickle of Numba's compile result. It appears under its name once it is complete.
"""

import contextlib
import inspect
import logging
import os
import pickle
import stat
import sys
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import xxhash
from numba import types
from numba.core import config
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.runtime import rtsys
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature

import alicorn
from alicorn.compiled.sources import digest

_CHECKSUM = 16  # bytes
_VERSIONS = (sys.version, numba.__version__, llvmlite.__version__)

_log = logging.getLogger("alicorn")


class KeptCode(NullCache):  # type: ignore[misc]  # numba has no types
    """What Numba asks for compiled code before it compiles, and gives it to afterwards."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}".replace("<locals>.", "")
        self._function = _function(function)

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        rtsys.initialize(target_context)  # not refresh(): to compile takes all of Numba and SciPy, 0.5 s of processor
        name = self._file(sig, target_context.codegen())
        for folder in folders():
            payload = _read(folder / name)
            if payload is not None:
                return CompileResult._rebuild(target_context, *pickle.loads(payload))
        return None

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        assert not data.library.has_dynamic_globals, f"{self._name} has an address or a large array compiled into it"
        name = self._file(sig, data.codegen)
        payload = dumps(data._reduce())
        if not any(_write(folder / name, payload) for folder in folders()):
            _say_not_kept()

    def _file(self, sig: Any, codegen: Any) -> str:
        arguments, _ = normalize_signature(sig)
        parts = (self._function, [_type(one) for one in arguments], _VERSIONS, codegen.magic_tuple())
        return f"{self._name}.{xxhash.xxh3_128_hexdigest(repr(parts).encode())}"


def _function(function: Callable[..., Any]) -> Any:
    """All that a function's code depends on; a closure also on the functions and constants that it closes over."""
    cells = [_constant(cell.cell_contents) for cell in function.__closure__ or ()]
    return function.__module__, function.__qualname__, digest(function.__code__.co_filename), cells


def _constant(value: Any) -> Any:
    return _function(value.py_func) if isinstance(value, Dispatcher) else repr(value)


def _type(one: Any) -> Any:
    if isinstance(one, types.Dispatcher):  # a function as an argument
        return _function(one.dispatcher.py_func)
    if isinstance(one, types.NamedTuple | types.NamedUniTuple):
        made_of = one.instance_class
        source = digest(inspect.getfile(made_of))
        return made_of.__module__, made_of.__qualname__, source, [_type(inner) for inner in one]
    return str(one)


def folders() -> Iterator[Path]:
    """Where compiled code is looked for, in this order. Only the last can be written, if any can."""
    for folder in _places():
        yield folder
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return
    if private := _private_folder():
        yield private


def _places() -> Iterator[Path]:
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR, "alicorn").absolute()
    else:
        yield Path(alicorn.__file__).parent / "__pycache__" / "kernels"
        if caches := user_caches():
            yield caches / "alicorn"


def user_caches() -> Path | None:
    """Where the programs of this user keep what can be made again; None without a home."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():  # the standard asks to ignore others
        return given
    try:
        return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    except RuntimeError:  # no HOME, and no such user
        return None


def _private_folder() -> Path | None:
    """A folder below the temporary one, unless somebody else could have put files into it."""
    folder = Path(os.environ.get("TMPDIR") or "/tmp", f"alicorn-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if private else None


def _read(path: Path) -> bytes | None:
    """The payload, or None if there is no whole file that this user can read."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    payload = data[_CHECKSUM:]
    return payload if xxhash.xxh3_128_digest(payload) == data[:_CHECKSUM] else None


def _write(path: Path, payload: bytes) -> bool:
    unfinished = path.with_name(f".{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(xxhash.xxh3_128_digest(payload) + payload)
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        return False
    return True


@cache
def _say_not_kept() -> None:
    _log.warning(
        "alicorn cannot keep what it compiles, so it compiles again in every process: set NUMBA_CACHE_DIR to a "
        "folder with free space that this user may write."
    )
