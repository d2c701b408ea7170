"""What `alicorn compile` has to know ahead: the types of every kernel of the package."""

from alicorn.compiled.ahead import tasks
from alicorn.compiled.kernels import KERNELS


def test_every_kernel_declares_its_types_or_is_pasted_into_others():
    assert len(tasks()) > 50  # imports every module with kernels
    ours = [kernel for kernel in KERNELS if kernel.py_func.__module__.startswith("alicorn.")]
    without = [kernel.__qualname__ for kernel in ours if not kernel.declared and "inline" not in kernel.targetoptions]
    assert without == []
