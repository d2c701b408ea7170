"""Response times: of one server that waits in line, and of the slowest of many shards.

Assumptions, all of them: requests arrive at random (Poisson); each processor answers its requests one after another,
first come, first served, and each request is sent to a processor by chance; shards are independent of each other; a
hedged second request goes to another replica, whose response does not depend on the first one's; network and router add
a constant. Processors that steal work wait less; shards on machines that are slow as a whole are slower together.
"""

from __future__ import annotations

import numpy as np


def response_times(service: np.ndarray, utilisation: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Waiting and service of `count` requests in a row at one server: float64 (count,), in the unit of `service`.

    service: times to draw from, (n,). utilisation: share of the time in which the server is busy, below 1. Source:
    Lindley's recursion, W' = max(0, W + service - gap), in its form as a running minimum.
    """
    if not 0.0 <= utilisation < 1.0:
        raise ValueError(f"utilisation must be in [0, 1), got {utilisation}")
    times = rng.choice(service, count)
    if utilisation == 0.0:
        return times
    gaps = rng.exponential(service.mean() / utilisation, count)
    walk = np.concatenate([[0.0], np.cumsum(times[:-1] - gaps[1:])])
    responses: np.ndarray = walk - np.minimum.accumulate(walk) + times
    return responses


def slowest_of(
    responses: np.ndarray,
    shards: int,
    count: int,
    rng: np.random.Generator,
    hedge_after: float = np.inf,
    lost: float = 0.0,
    deadline: float = np.inf,
) -> tuple[np.ndarray, np.ndarray]:
    """`count` requests to all shards: how long each takes, and the share of the shards that answered.

    responses: of one shard, to draw from. hedge_after: when a second request is sent to another replica. lost: the
    chance that a request to a replica gets no answer. deadline: when the router stops waiting.
    """
    longest, answered = np.empty(count), np.empty(count)
    rows = max(1, (1 << 22) // shards)
    for start in range(0, count, rows):
        size = (min(rows, count - start), shards)
        times = _drawn(responses, size, lost, rng)
        if np.isfinite(hedge_after):
            times = np.minimum(times, hedge_after + _drawn(responses, size, lost, rng))
        part = slice(start, start + size[0])
        longest[part] = np.minimum(times, deadline).max(axis=1)
        answered[part] = (times <= deadline).mean(axis=1)
    return longest, answered


def _drawn(responses: np.ndarray, size: tuple[int, int], lost: float, rng: np.random.Generator) -> np.ndarray:
    times = rng.choice(responses, size)
    if lost:
        times[rng.random(size) < lost] = np.inf
    return times
