"""The k nearest in as many clusters as a recall needs: `:recall r` of an `nn` with k, by the calibration of its key.

First the nearest clusters that hold some more than k allowed documents are read. The cosine of the k-th nearest
document in them is a bound, and the calibration says which cosine to its centroid a cluster needs to hold a nearer
document (quantization/calibration.py): those clusters are read too. Here that is two searches; with one segment it is
one, which goes on where the first look ended (segment.py). Which clusters are read follows from the snapshot and the
arguments alone, as every cosine is the same whatever the plan and the segments. With few allowed documents the answer
is exact.
"""

from __future__ import annotations

import math
from weakref import WeakKeyDictionary

import numpy as np

from alicorn.index import Snapshot
from alicorn.quantization import KeyQuantizer, Slack, first_scan, least_cosine
from alicorn.query.nn.counters import Counters
from alicorn.query.nn.few import FEW
from alicorn.query.nn.nearest import k_nearest
from alicorn.query.nn.probe import Probe, Ranking
from alicorn.query.nn.scan import members_of, nearest_holding, total_of
from alicorn.query.sets.docset import DocSet
from alicorn.query.sets.ranked import Ranked

_num_vectors: WeakKeyDictionary[Snapshot, dict[str, int]] = WeakKeyDictionary()
"""By key: how many live documents may have the embedding. Kept as long as the snapshot."""


def nearest_by_recall(
    snapshot: Snapshot,
    key: str,
    query: np.ndarray,
    k: int,
    recall: float,
    allowed: list[DocSet] | None,
    counters: Counters,
    forced: str | None = None,
) -> tuple[Ranked, int | None]:
    """The k nearest of the allowed documents with a mean recall, and how many clusters were read; None: all, exact.

    query: (dim,) float32 of unit length. allowed: live documents, per segment; None: all.
    """
    quantizer = snapshot.quantizers[key]
    calibration = quantizer.calibration
    first, slack = None, None
    members = members_of(snapshot, key, allowed)
    total = total_of(members)
    if calibration is not None and total > FEW:
        slack = slack_of(snapshot, key, k, recall)
        if slack is not None:
            first = nearest_holding(quantizer, query, first_scan(k), members, total)
    if calibration is None or slack is None or first is None or len(first.clusters) == quantizer.num_clusters:
        return k_nearest(snapshot, key, Probe(quantizer, query, None), k, allowed, counters, forced), None
    probe = Probe(quantizer, query, len(first.clusters), first)
    known = k_nearest(snapshot, key, probe, k, allowed, Counters(), forced)
    reached = reaching(quantizer, calibration.spread, slack, query, len(first.clusters), float(known.scores[-1]))
    clusters = None if reached is None else len(reached.clusters)
    return k_nearest(snapshot, key, Probe(quantizer, query, clusters, reached), k, allowed, counters, forced), clusters


def slack_of(snapshot: Snapshot, key: str, k: int, recall: float) -> Slack | None:
    """The slack of the calibration for the vectors that the key has now; None: all clusters are to be searched."""
    calibration = snapshot.quantizers[key].calibration
    if calibration is None:
        return None
    known = _num_vectors.get(snapshot)
    if known is None:
        known = _num_vectors[snapshot] = {}
    if key not in known:
        known[key] = total_of(members_of(snapshot, key, None))
    slack = calibration.slack(k, recall, known[key])
    return slack if slack.base < math.inf else None


def reaching(
    quantizer: KeyQuantizer, spread: float, slack: Slack, query: np.ndarray, first: int, bound: float
) -> Ranking | None:
    """The nearest clusters that may hold a document nearer than the bound, and at least `first`; None: all."""
    least = least_cosine(spread, slack.slope, slack.base, bound)
    ranked = min(2 * first + 16, quantizer.num_clusters)
    while True:
        clusters, cosines, off = quantizer.coarse.nearest(query, ranked)
        reached = int(np.searchsorted(-cosines[clusters].astype(np.float64), -least, side="right"))
        if reached < ranked:
            return Ranking(clusters[: max(first, reached)], cosines, off)
        if ranked == quantizer.num_clusters:
            return None
        ranked = min(4 * ranked, quantizer.num_clusters)
