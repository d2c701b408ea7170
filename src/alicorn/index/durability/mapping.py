"""A file mapped into memory without keeping it open.

Python's own mmap keeps a descriptor for every mapping: a dozen segments of 60 files would use up the usual 1,024.
The mapping is private: its arrays count as writeable, as compiled kernels demand, and the file never changes.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from typing import Any, BinaryIO

import numpy as np

_NORESERVE = 0x4000 if sys.platform == "linux" else 0  # a mapping larger than the memory is no promise to fill it
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
_DONTNEED = 4  # of Linux; elsewhere the system takes mapped pages back when it needs them
_FAILED = ctypes.c_void_p(-1).value


class _Mapping:
    """Unmapped when the last array over it is gone."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        flags = mmap.MAP_PRIVATE | _NORESERVE
        self._unmap = _LIBC.munmap  # still there while the interpreter shuts down
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
    """The bytes of an open file, which may be closed at once -> (size,) uint8."""
    size = os.fstat(file.fileno()).st_size
    return np.asarray(_Mapping(file, size)) if size else np.empty(0, dtype=np.uint8)


def release(array: np.ndarray) -> None:
    """Release the pages of a mapped array from this process's memory; they are loaded again when they are read.

    The system still has them cached. Any other array is left alone.
    """
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, _Mapping) and array.nbytes and sys.platform == "linux":
        first, last = np.lib.array_utils.byte_bounds(array)
        first -= first % mmap.PAGESIZE
        _LIBC.madvise(first, last - first, _DONTNEED)
