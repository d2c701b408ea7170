"""Which segments are merged? The logarithmic method, in memory and on disk.

Segments are kept from large to small, at most MAX_SEGMENTS of them. When there are more, the smallest are merged: at
least MIN_MERGED of them, and more until the next larger one outweighs the result. So a document is rewritten O(log n)
times while n documents arrive, and there is one merge for every MIN_MERGED - 1 new segments.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MAX_SEGMENTS = 12
MIN_MERGED = 4


def smallest_to_merge(sizes: Sequence[int]) -> list[int]:
    """Indices of the segments to merge into one; none while there are few enough. sizes: documents of each."""
    if len(sizes) <= MAX_SEGMENTS:
        return []
    order = np.argsort(sizes, kind="stable")
    merged = MIN_MERGED
    total = sum(sizes[i] for i in order[:merged])
    while merged < len(sizes) and sizes[order[merged]] <= total:
        total += sizes[order[merged]]
        merged += 1
    return sorted(int(i) for i in order[:merged])
