"""Compile everything now, in several processes, so that nobody waits for it later."""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import alicorn
from alicorn.compiled.kernels import KERNELS, Kernel
from alicorn.compiled.waiting import be_silent

_IMPORT = re.compile(r"^from alicorn\.compiled import .*\bkernel\b", re.MULTILINE)


class Task(NamedTuple):
    """One signature of one kernel, by numbers: another process finds the same."""

    module: str
    kernel: int
    signature: int


def compile_all(processes: int | None = None) -> Iterator[Task]:
    """What was compiled, or found compiled, one after the other.

    processes: one for each core if None. Modules whose libraries are not installed are left out.
    """
    longest_first = sorted(tasks(), key=lambda task: -len(_kernel(task).py_func.__code__.co_code))
    count = processes or len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(count, get_context("spawn"), be_silent) as pool:
        for done in as_completed([pool.submit(_compile, task) for task in longest_first]):
            yield done.result()


def tasks() -> list[Task]:
    """Everything there is to compile. A kernel that is pasted into others is no code of its own."""
    found = []
    for module in _modules_with_kernels():
        try:
            import_module(module.rpartition(".")[0])  # a module may stay loaded though its package failed
            import_module(module)
        except ModuleNotFoundError as error:  # of an extra that is not installed
            if (error.name or "").startswith("alicorn"):
                raise
            continue
        for number, kernel in enumerate(_kernels(module)):
            if "inline" not in kernel.targetoptions:
                found += [Task(module, number, signature) for signature in range(len(kernel.declared))]
    return found


def _modules_with_kernels() -> Iterator[str]:
    package = Path(alicorn.__file__).parent
    for path in sorted(package.rglob("*.py")):
        if _IMPORT.search(path.read_text(encoding="utf-8")):
            yield ".".join(("alicorn", *path.relative_to(package).with_suffix("").parts))


def _kernels(module: str) -> list[Kernel]:
    return [kernel for kernel in KERNELS if kernel.py_func.__module__ == module]


def _kernel(task: Task) -> Kernel:
    return _kernels(task.module)[task.kernel]


def _compile(task: Task) -> Task:
    import_module(task.module)
    kernel = _kernel(task)
    kernel.compile(kernel.declared[task.signature])
    return task
