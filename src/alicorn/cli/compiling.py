"""Compile ahead: so that the first search, or a container built once, does not pay for it."""

from __future__ import annotations

import time

from alicorn.cli.output import log, print_values
from alicorn.reporting.progress import progress_bar


def compile() -> None:
    """Compile all loops for this processor now and keep them on disk, as a step of building a container image.

    Example: alicorn compile  # kept with the package if that can be written
    """
    from alicorn.compiled.ahead import compile_all, tasks

    log.print("compiling for this processor: up to a minute")
    start = time.monotonic()
    with progress_bar(log, "compile") as advance:
        total = len(tasks())
        for done, _ in enumerate(compile_all(), 1):
            advance(done, total)
    print_values({"kernels": total, "seconds": round(time.monotonic() - start, 1)}, as_json=False)
