"""The recommended setting: the fastest that reaches the recall; of equally fast ones the smallest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from alicorn.quantization import Settings, default_num_clusters
from alicorn.quantization.coarse.imi import MAX_CELLS
from alicorn.quantization.settings import default_num_cells
from alicorn.tuning.measure import Point

_AS_FAST = 1.05  # latencies that differ by less are equal: repeated measurements differ by as much


def recommend(points: Sequence[Point], target_recall: float) -> Point | None:
    """The cheapest point whose recall is at least the target; None where there is none."""
    good = [point for point in points if point.recall >= target_recall]
    if not good:
        return None
    fastest = min(point.p50_us for point in good)
    equal = [point for point in good if point.p50_us <= fastest * _AS_FAST]
    return min(equal, key=lambda point: (point.bytes_per_document, point.p50_us))


def for_collection(settings: Settings, num_sampled: int, num_vectors: int) -> Settings:
    """What was measured on a sample, for all vectors: the same multiple of the default number of clusters.

    The default itself is left open, so that it goes on to follow the size of the collection.
    """
    default = default_num_cells if settings.coarse == "imi" else default_num_clusters
    assert settings.num_clusters is not None
    if settings.num_clusters == default(num_sampled):
        return replace(settings, num_clusters=None)
    scaled = settings.num_clusters * default(num_vectors) / default(num_sampled)
    if settings.coarse == "imi":
        return replace(settings, num_clusters=min(MAX_CELLS, round(math.sqrt(scaled)) ** 2))
    return replace(settings, num_clusters=max(1, round(scaled)))
