"""Memory-mapping of files without an open descriptor.

Python's mmap keeps a descriptor for every mapping; a dozen segments of 60 files would need most of the usual 1,024.
The mapping is private: its arrays are writeable, as compiled kernels require, and writes never reach the file.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from typing import Any, BinaryIO

import numpy as np

_NORESERVE = 0x4000 if sys.platform == "linux" else 0  # do not reserve swap space for a mapping
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = (
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,  # off_t on 64-bit systems
)
_LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_LIBC.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_DONTNEED = 4  # on Linux; elsewhere the system reclaims mapped pages when it needs memory
_FAILED = ctypes.c_void_p(-1).value


class _Mapping:
    """A mapping that ends with the last array over it."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        flags = mmap.MAP_PRIVATE | _NORESERVE
        self._unmap = _LIBC.munmap  # a reference that survives the shutdown of the interpreter
        self._size = size
        self._address = _LIBC.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, file.fileno(), 0)
        if self._address == _FAILED:
            self._size = 0
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {"version": 3, "shape": (self._size,), "typestr": "|u1", "data": (self._address, False)}

    def __del__(self) -> None:
        if self._size:
            self._unmap(self._address, self._size)


def map_file(file: BinaryIO) -> np.ndarray:
    """The bytes of an open file, (size,) uint8. The file may be closed at once."""
    size = os.fstat(file.fileno()).st_size
    return np.asarray(_Mapping(file, size)) if size else np.empty(0, dtype=np.uint8)


def release(array: np.ndarray) -> None:
    """Release the pages of a mapped array from this process's memory; they are loaded again when they are read.

    The system still caches them. An array that is not mapped does not change.
    """
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, _Mapping) and array.nbytes and sys.platform == "linux":
        first, last = np.lib.array_utils.byte_bounds(array)
        first -= first % mmap.PAGESIZE
        _LIBC.madvise(first, last - first, _DONTNEED)
