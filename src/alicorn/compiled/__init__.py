"""Kernels: Python functions that Numba compiles for this processor when first called, and that are kept on disk.

kernels.py   the decorators: for which types, and when, something is compiled
kept.py      where compiled code is kept, and what makes it stale
sources.py   a digest of all the source that is compiled into a kernel
waiting.py   a word on standard error when compiling takes longer than a second
ahead.py     compile everything now, in several processes
"""

from alicorn.compiled.kernels import kernel, subroutine

__all__ = ["kernel", "subroutine"]
