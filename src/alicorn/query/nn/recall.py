"""How many clusters must be read for a recall? `:recall r` of an `nn` with k, by the calibration of its key.

First the nearest clusters that hold some more than k allowed documents are read. The cosine of the k-th nearest
document in them is a bound, and the calibration says which cosine to its centroid a cluster needs to hold a nearer
document (quantization/calibration.py). The number of clusters follows from the snapshot and the arguments alone, as
every cosine is the same whatever the plan and the segments. With few allowed documents the answer is exact.
"""

from __future__ import annotations

import math

import numpy as np

from alicorn.index import Snapshot
from alicorn.quantization import KeyQuantizer, first_scan, least_cosine
from alicorn.query.nn.counters import Counters
from alicorn.query.nn.nearest import k_nearest
from alicorn.query.nn.probe import Probe
from alicorn.query.nn.scan import clusters_to_scan, num_allowed
from alicorn.query.sets.docset import DocSet

FEW = 4_000  # allowed documents: comparing all of them costs less than choosing among clusters


def clusters_for_recall(
    snapshot: Snapshot, key: str, query: np.ndarray, k: int, recall: float, allowed: list[DocSet] | None
) -> int | None:
    """The number of nearest clusters that reaches a mean recall of the k nearest allowed documents; None: all, exact.

    query: (dim,) float32 of unit length. allowed: live documents, per segment; None: all.
    """
    quantizer = snapshot.quantizers[key]
    calibration = quantizer.calibration
    if calibration is None or num_allowed(snapshot, key, allowed) <= FEW:
        return None
    slack = calibration.slack(k, recall, num_allowed(snapshot, key, None))
    if math.isinf(slack):
        return None
    first = clusters_to_scan(snapshot, key, query, first_scan(k), allowed)
    if first is None:
        return None
    known = k_nearest(snapshot, key, Probe(quantizer, query, first), k, allowed, Counters())
    return _reaching(quantizer, query, first, least_cosine(calibration.spread, float(known.scores[-1]), slack))


def _reaching(quantizer: KeyQuantizer, query: np.ndarray, first: int, least: float) -> int | None:
    """How many clusters, and at least `first`, have a centroid of that cosine; None: all."""
    ranked = min(2 * first + 16, quantizer.num_clusters)
    while True:
        clusters, cosines = quantizer.coarse.nearest(query, ranked)
        reached = int(np.searchsorted(-cosines[clusters], -least, side="right"))
        if reached < ranked:
            return max(first, reached)
        if ranked == quantizer.num_clusters:
            return None
        ranked = min(4 * ranked, quantizer.num_clusters)
