"""What can this machine do at all? Memory bandwidth, multiply-adds, the price of a random vector, the load now."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Machine:
    """One core's limits.

    multiply_adds_per_us: of float32, as a matrix product in cache does them; a scan of smaller codes may do more.
    random_vector_us: reading one 512-byte vector at a random place outside the caches.
    """

    name: str
    cores: int
    load: float
    stream_gb_per_s: float
    multiply_adds_per_us: float
    random_vector_us: float


def this_machine() -> Machine:
    """Measured now, in about two seconds."""
    rng = np.random.default_rng(0)
    large = np.ones(96_000_000, dtype=np.float32)  # 384 MB, beyond any cache
    stream_s = _best_s(lambda: large.dot(large))  # reads it once
    square = np.ones((256, 256), dtype=np.float32)  # stays in cache
    product = np.empty_like(square)
    arithmetic_s = _best_s(lambda: [np.matmul(square, square, out=product) for _ in range(50)])
    table, rows = large.reshape(-1, 128), rng.integers(len(large) // 128, size=(200, 500))
    buffer = np.empty((500, 128), dtype=np.float32)  # stays in cache
    gather_s = _best_s(lambda: [table.take(some, axis=0, out=buffer, mode="clip") for some in rows])
    return Machine(
        name=processor(),
        cores=os.cpu_count() or 1,
        load=os.getloadavg()[0],
        stream_gb_per_s=large.nbytes / stream_s / 1e9,
        multiply_adds_per_us=50 * 256**3 / arithmetic_s / 1e6,
        random_vector_us=gather_s / rows.size * 1e6,
    )


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _best_s(run) -> float:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)
