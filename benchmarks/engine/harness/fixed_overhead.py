"""The time of a request that has nothing to scan: what Python costs. Imports nothing of the engine."""

import time

import numpy as np

NOTHING = ("(or)", "tag:none", "(and tag:none (nn x :radius 0.2))", "(nn x :k 10 :filter tag:none)")
"""Expressions over the key x that match nothing."""


def fixed_overhead_us(collection, query: np.ndarray) -> dict[str, float]:
    """p50, in processor time, of requests that have nothing to scan: what is left is Python."""
    query = np.array(query)
    overhead = {}
    for expression in NOTHING:
        vectors = {"x": query} if "nn" in expression else None
        times = []
        for _ in range(300):
            started = time.process_time_ns()
            collection.search(expression, vectors, 10)
            times.append((time.process_time_ns() - started) / 1000)
        overhead[expression] = float(np.median(times))
    return overhead
