"""The choice of segments to merge by the logarithmic method, in memory and on disk.

There are at most MAX_SEGMENTS segments. When there are more, at least the MIN_MERGED smallest are merged, and further
ones until the next segment is larger than the result. So a document is rewritten O(log n)
times while n documents arrive, and there is one merge for every MIN_MERGED - 1 new segments.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MAX_SEGMENTS = 12
MIN_MERGED = 4


def smallest_to_merge(sizes: Sequence[int]) -> list[int]:
    """The indices of the segments to merge into one; empty if there are few segments. sizes: documents of each."""
    if len(sizes) <= MAX_SEGMENTS:
        return []
    order = np.argsort(sizes, kind="stable")
    merged = MIN_MERGED
    total = sum(sizes[i] for i in order[:merged])
    while merged < len(sizes) and sizes[order[merged]] <= total:
        total += sizes[order[merged]]
        merged += 1
    return sorted(int(i) for i in order[:merged])
