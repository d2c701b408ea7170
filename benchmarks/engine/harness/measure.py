"""Tuning and measuring, the same for every system: cheapest setting that is good enough, then turns query by query."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from harness.workload import Request

TARGET = 0.95
_HOPELESS = 30  # a candidate that is so many times slower than the best so far is given up
_SLOW = 20  # a system that is so many times slower than the fastest takes part in every tenth turn only


@dataclass(frozen=True)
class Tuned:
    """The setting of a system for one row, and the recall it had on the tuning requests."""

    setting: Any
    recall: float
    us: float


@dataclass
class Measured:
    """Microseconds of each turn by the wall and of this process's processor time; which request, and its answer."""

    us: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)

    def summary(self, clock: str, batch: int) -> dict[str, float]:
        """Of one request, by the clock "wall" or "cpu"; a turn answers `batch` requests."""
        us = np.array(self.us if clock == "wall" else self.cpu_us) / batch
        p50, p98, p99 = np.percentile(us, [50, 98, 99])
        return {"queries_per_s": 1e6 / float(us.mean()), "p50_us": p50, "p98_us": p98, "p99_us": p99}


def tune(
    system: Any, requests: Sequence[Request], answers: Sequence[np.ndarray], exact: bool, target: float = TARGET
) -> Tuned | None:
    """The cheapest setting whose recall reaches the target; where none does, the best one. None: it cannot answer.

    Along a ladder recall rises, so the first rung that is good enough is found by halving.
    """
    good: list[Tuned] = []
    tried: list[Tuned] = []
    for ladder in system.ladders(requests, exact):
        low, high = 0, len(ladder)
        while low < high:
            middle = (low + high) // 2
            best_us = min((tuned.us for tuned in good), default=float("inf"))
            tuned = _try(system, requests, answers, ladder[middle], best_us)
            tried.append(tuned)
            if tuned.recall >= target:
                good.append(tuned)
            if tuned.recall >= target or tuned.us > _HOPELESS * best_us:
                high = middle
            else:
                low = middle + 1
    if good:
        return min(good, key=lambda tuned: tuned.us)
    return max(tried, key=lambda tuned: (tuned.recall, -tuned.us), default=None)


def _try(system: Any, requests: Sequence[Request], answers: Sequence[np.ndarray], setting: Any, best: float) -> Tuned:
    search = system.bind(requests, setting)
    for i in range(min(3, len(requests))):  # warm
        search(i)
    found, times = [], []
    for i in range(len(requests)):
        started = time.process_time_ns()  # a busy machine must not choose the setting
        answer = search(i)
        times.append((time.process_time_ns() - started) / 1000)
        found.append(system.documents(answer))
        if i == 4 and np.median(times) > _HOPELESS * best:
            return Tuned(setting, 0.0, float(np.median(times)))
    return Tuned(setting, recall(found, answers), float(np.mean(times)))


def recall(found: Sequence[np.ndarray], answers: Sequence[np.ndarray]) -> float:
    """Mean share of a request's true documents that were found, over the requests that have any."""
    shares = [np.isin(truth, documents).mean() for documents, truth in zip(found, answers, strict=True) if len(truth)]
    return float(np.mean(shares)) if shares else 1.0


def in_turns(
    calls: Mapping[str, Callable[[int], Any]], count: int, slow: Mapping[str, float], in_a_row: int = 1
) -> dict[str, Measured]:
    """Systems take turns of `in_a_row` requests, in an order that is drawn anew each time.

    In one round each answers other requests, so that none finds what it needs in the caches because the one before,
    which may share an index with it, has just read the same; in the end each has answered all `count` requests.
    With 1, every request finds the caches full of what others read, and that is what it mostly pays for; with 20, what
    a system keeps between its own requests is still there, as in a server that runs nothing else.
    slow: microseconds a request from tuning, by which hopelessly slow ones sit out nine requests in ten.
    """
    rng = np.random.default_rng(0)
    fastest = min(slow.values())
    names = list(calls)
    measured = {name: Measured() for name in names}
    for first in range(0, count, in_a_row):
        for place in rng.permutation(len(names)):
            name = names[place]
            for turn in range(first, min(first + in_a_row, count)):
                if slow[name] > _SLOW * fastest and turn % 10:
                    continue
                request = (turn + place * count // len(names)) % count
                started_cpu, started = time.process_time_ns(), time.perf_counter_ns()
                answer = calls[name](request)
                stopped, stopped_cpu = time.perf_counter_ns(), time.process_time_ns()
                one = measured[name]
                one.us.append((stopped - started) / 1000)
                one.cpu_us.append((stopped_cpu - started_cpu) / 1000)
                one.requests.append(request)
                one.answers.append(answer)
    return measured
