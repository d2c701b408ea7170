"""The logarithmic method keeps few segments and rewrites little. Of index/segment/building/tiers.py."""

from __future__ import annotations

import math

import numpy as np

from alicorn.index.segment.building.tiers import MAX_SEGMENTS, smallest_to_merge


def _arrive(sizes: list[int], size: int) -> int:
    """Add a segment, merge as told -> documents rewritten."""
    sizes.append(size)
    chosen = smallest_to_merge(sizes)
    total = sum(sizes[i] for i in chosen)
    for i in reversed(chosen):
        del sizes[i]
    if chosen:
        sizes.append(total)
    return total


def test_single_documents_cost_a_logarithm_each() -> None:
    sizes: list[int] = []
    rewritten = 0
    for _ in range(50_000):
        rewritten += _arrive(sizes, 1)
        assert len(sizes) <= MAX_SEGMENTS
    assert sum(sizes) == 50_000
    assert rewritten / 50_000 < math.log2(50_000)


def test_batches_of_any_size_stay_few_and_cheap() -> None:
    rng = np.random.default_rng(0)
    sizes: list[int] = []
    rewritten = arrived = 0
    for size in rng.zipf(1.5, 3_000).clip(1, 10_000).tolist():
        rewritten += _arrive(sizes, size)
        arrived += size
        assert len(sizes) <= MAX_SEGMENTS
    assert rewritten / arrived < math.log2(arrived)


def test_a_large_segment_is_left_alone() -> None:
    sizes = [1_000_000] + [10] * MAX_SEGMENTS
    assert 0 not in smallest_to_merge(sizes)
