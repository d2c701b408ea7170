"""Make each index once, in a process of its own, and keep it: seconds and peak memory of a build.

The numbers of a build are those of the day it was made: they stay in the cache with the index.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import faiss
from harness.vectors import Data


@dataclass(frozen=True)
class Build:
    """What a build cost. cpu_seconds: of all its threads; peak_bytes: largest resident set less what the imports took;
    size_bytes: files."""

    folder: Path
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    size_bytes: int


def built(kind, data: Data, cache: Path, threads: int = 1) -> Build:
    """The index of a class of peers.py or ours.py over the data, made now unless the cache has it.

    The cache knows an index by its name, `kind.fingerprint()` (library version, or our own source) and the data.
    """
    folder = cache / f"{kind.name.replace(' ', '-')}-{kind.fingerprint()}-{data.folder.name}"
    report = folder / "build.json"
    if not report.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        process = multiprocessing.get_context("spawn").Process(target=_build, args=(kind, data, folder, threads))
        process.start()
        process.join()
        if process.exitcode != 0:
            shutil.rmtree(folder)
            raise RuntimeError(f"building {kind.name} ended with exit code {process.exitcode}")
    return Build(folder, **json.loads(report.read_text()))


def _build(kind, data: Data, folder: Path, threads: int) -> None:
    faiss.omp_set_num_threads(threads)
    before = _peak_bytes()
    started, started_cpu = time.perf_counter(), time.process_time()
    kind.build(data, folder)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    described = asdict(Build(folder, seconds, cpu_seconds, _peak_bytes() - before, size))
    del described["folder"]
    (folder / "build.json").write_text(json.dumps(described))


def _peak_bytes() -> int:
    """Of this process alone: ru_maxrss begins, in a child, with what its parent had."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def one_core() -> None:
    """Pin this process, and every thread it starts later, to one core: "one thread" for every system alike."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
