"""Measure a Calibration: for sampled queries and filters, the least slack whose recall is high enough.

The filters are shares of the documents, shares of the clusters, which imitate filters that correlate with the vectors,
and all but the query's own region. With each of these filters, the slack that is kept exceeds the recall by one
standard error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from alicorn.quantization.calibration import KS, RECALLS, Calibration, first_scan, needed_slack

SHARES = (0.1, 0.01, 0.001)  # of the documents, beside all of them
CLUSTER_SHARES = (0.3, 0.3, 0.1, 0.1, 0.03)
OWN_SHARES = (0.02, 0.3)  # of the documents, those in the clusters nearest to the query: all others are allowed
MEASURED_FROM = 2_000  # vectors
_BASES = np.arange(-1.0, 1.305, 0.01)
_SLOPES = np.arange(0.0, 1.05, 0.1)
_QUERIES = 128
_LEAST = 16  # queries: with fewer nothing is promised
_LARGEST_WORK = 1 << 28  # queries x vectors: some seconds of a core at 128 dimensions
_TOGETHER = 1 << 25  # cosines that are kept at a time
_SPREAD_ROWS = 16_384
_BLOCK = 16_384
_NOT_MEASURED = -2.0
_LEAST_GROWTH = 0.05


class Rows(Protocol):
    """The vectors of one segment by cluster: cluster c has the rows starts[c] to starts[c + 1]."""

    @property
    def starts(self) -> np.ndarray: ...

    def stored(self, rows: np.ndarray) -> np.ndarray: ...


class _Filter(NamedTuple):
    """rows: ascending, of the allowed vectors; clusters: of each; sizes: (num_clusters,) how many each cluster has.
    but_own: shares of them, in the clusters nearest to the query, which are not allowed: a filter for each."""

    rows: np.ndarray
    clusters: np.ndarray
    sizes: np.ndarray
    but_own: tuple[float, ...] = (0.0,)


class _Case(NamedTuple):
    """One filter and one K. bounds: (queries,) of the documents looked at first; needed: (queries, k) the slack that
    finds each of the nearest, 0 where it is looked at first."""

    bounds: np.ndarray
    needed: np.ndarray


def held_out(vectors: np.ndarray) -> np.ndarray:
    """Which vectors are held out of training to be queries: about one in 64, by their bits. (n, dim) -> (n,).

    A vector that centroids were fitted to is nearer to them than a query is, and its recall would be too good.
    """
    bits = np.ascontiguousarray(vectors, dtype=np.float32).view(np.uint32).sum(axis=1, dtype=np.uint32)
    mixed: np.ndarray = (bits * np.uint32(2654435761)) >> np.uint32(26) == 0
    return mixed


def measure(blocks: Sequence[Rows], centroids: np.ndarray, queries: np.ndarray | None = None) -> Calibration | None:
    """The calibration of a key; None where there are too few vectors to measure.

    centroids: (num_clusters, dim) float32 of unit length. queries: (n, dim) float32 of unit length; without them,
    held-out vectors are the queries, and are no answers.
    """
    rng = np.random.default_rng(0)
    vectors = _Vectors(blocks)
    if len(vectors) < MEASURED_FROM:
        return None
    wanted = int(np.clip(_LARGEST_WORK // max(1, len(vectors)), _LEAST, _QUERIES))
    answers = np.ones(len(vectors), dtype=bool)
    if queries is None:
        looked_at = np.sort(rng.choice(len(vectors), min(len(vectors), 128 * wanted), replace=False))
        asked = looked_at[held_out(vectors.some(looked_at))]
        asked = np.sort(rng.permutation(asked)[:wanted])
        if len(asked) < _LEAST:
            return None
        answers[asked] = False
        queries = vectors.some(asked)
    elif len(queries) > wanted:
        queries = queries[np.sort(rng.choice(len(queries), wanted, replace=False))]
    if len(queries) < _LEAST:
        return None
    spread = _spread(vectors, centroids, rng)
    cases = _cases(vectors, list(_filters(vectors, answers, len(centroids), rng)), queries, centroids, spread)
    if not cases[0]:
        return None
    slope = _slope(cases)
    each = [_of_filter(measured, slope) for measured in cases]
    return Calibration(
        spread, slope, _rising(np.max(each, axis=0)), len(vectors), _growth(each[0], each[1 + len(OWN_SHARES)])
    )


class _Vectors:
    """The vectors of all blocks in one numbering. clusters: (len,) int32."""

    def __init__(self, blocks: Sequence[Rows]) -> None:
        self._blocks = blocks
        self.clusters = np.concatenate(
            [np.repeat(np.arange(len(one.starts) - 1, dtype=np.int32), np.diff(one.starts)) for one in blocks]
        )
        self._stops = np.cumsum([one.starts[-1] for one in blocks])

    def __len__(self) -> int:
        return len(self.clusters)

    def some(self, rows: np.ndarray) -> np.ndarray:
        """(n,) -> (n, dim) float32."""
        places = np.searchsorted(self._stops, rows, side="right")
        result: np.ndarray | None = None
        for place in np.unique(places):
            here = places == place
            block = self._blocks[place]
            found = block.stored(rows[here] - (self._stops[place] - block.starts[-1]))
            if result is None:
                result = np.empty((len(rows), found.shape[1]), dtype=np.float32)
            result[here] = found
        assert result is not None
        return result


def _spread(vectors: _Vectors, centroids: np.ndarray, rng: np.random.Generator) -> float:
    rows = np.sort(rng.choice(len(vectors), min(len(vectors), _SPREAD_ROWS), replace=False))
    return float(np.clip(np.einsum("ij,ij->i", vectors.some(rows), centroids[vectors.clusters[rows]]).mean(), 0, 1))


def _filters(vectors: _Vectors, answers: np.ndarray, num_clusters: int, rng: np.random.Generator) -> Iterator[_Filter]:
    def of(allowed: np.ndarray, *but_own: float) -> _Filter:
        rows = np.flatnonzero(allowed)
        clusters = vectors.clusters[rows]
        return _Filter(rows, clusters, np.bincount(clusters, minlength=num_clusters), (0.0, *but_own))

    yield of(answers, *OWN_SHARES)
    for share in SHARES:
        yield of(answers & (rng.random(len(vectors)) < share))
    for share in CLUSTER_SHARES:
        yield of(answers & (rng.random(num_clusters) < share)[vectors.clusters])


def _cases(
    vectors: _Vectors, filters: Sequence[_Filter], queries: np.ndarray, centroids: np.ndarray, spread: float
) -> list[dict[int, _Case]]:
    """Of each filter, the case of each K of which there are enough allowed vectors, by its place in KS."""
    together = max(8, _TOGETHER // len(vectors))
    looks: list[list[list[_Seen]]] = [[] for one in filters for _ in one.but_own]
    for start in range(0, len(queries), together):
        part = queries[start : start + together]
        for query, scores in zip(part, _all_cosines(vectors, part), strict=True):
            cosines = centroids @ query
            nearest_first = np.argsort(-cosines, kind="stable")
            found = (look for one in filters for look in _looks(scores, one, cosines, nearest_first))
            for of_filter, look in zip(looks, found, strict=True):
                of_filter.append(look)
    cases = []
    for of_filter in looks:
        measured: dict[int, _Case] = {}
        for j in range(min(map(len, of_filter))):
            bounds = np.array([look[j].bound for look in of_filter])
            needed = needed_slack(spread, np.stack([look[j].cosines for look in of_filter]), bounds[:, None])
            needed[np.stack([look[j].first for look in of_filter])] = 0.0
            measured[j] = _Case(bounds, needed)
        cases.append(measured)
    return cases


def _all_cosines(vectors: _Vectors, queries: np.ndarray) -> np.ndarray:
    """(queries, len(vectors)) float32."""
    cosines = np.empty((len(queries), len(vectors)), dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(vectors)))
        cosines[:, rows[0] : rows[-1] + 1] = queries @ vectors.some(rows).T
    return cosines


class _Seen(NamedTuple):
    """One query, filter and K. bound: of the documents looked at first; cosines: (k,) of the nearest vectors' clusters;
    first: (k,) whether they are looked at first."""

    bound: float
    cosines: np.ndarray
    first: np.ndarray


def _looks(scores: np.ndarray, one: _Filter, cosines: np.ndarray, nearest_first: np.ndarray) -> Iterator[list[_Seen]]:
    """What one query sees of each K, for each share of but_own. scores: of all vectors; cosines: of the clusters."""
    ranks = np.empty(len(cosines), dtype=np.int32)
    ranks[nearest_first] = np.arange(len(cosines), dtype=np.int32)
    near, of_rows = ranks[one.clusters], scores[one.rows]
    held = np.concatenate([[0], np.cumsum(one.sizes[nearest_first])])
    for share in one.but_own:
        own = int(np.searchsorted(held, share * held[-1]))
        ks = [k for k in KS if held[-1] - held[own] >= 2 * first_scan(k)]
        if not ks:
            yield []
            continue
        looked = [int(np.searchsorted(held, held[own] + first_scan(k))) for k in ks]
        inside = np.flatnonzero((near >= own) & (near < looked[-1]) if own else near < looked[-1])
        first_near, first_scores = near[inside], of_rows[inside]
        bounds = []
        for k, clusters in zip(ks, looked, strict=True):
            known = first_scores[first_near < clusters]
            bounds.append(np.partition(known, len(known) - k)[len(known) - k])
        reached = np.flatnonzero(of_rows >= bounds[-1])
        reached = reached[near[reached] >= own] if own else reached
        best_scores = of_rows[reached]
        if len(reached) > ks[-1]:
            best = np.argpartition(-best_scores, ks[-1] - 1)[: ks[-1]]
            reached, best_scores = reached[best], best_scores[best]
        best_near = near[reached[np.argsort(-best_scores, kind="stable")]]
        of_best = cosines[nearest_first[best_near]].astype(np.float64)
        yield [
            _Seen(float(bound), of_best[:k], best_near[:k] < clusters)
            for k, clusters, bound in zip(ks, looked, bounds, strict=True)
        ]


def _slope(cases: Sequence[dict[int, _Case]]) -> float:
    """The slope with which all filters need nearly the same base."""
    asked = RECALLS.index(0.95)
    apart = np.zeros(len(_SLOPES))
    for j in range(len(KS) - 1):  # the last one takes longest, and says the same
        of_k = [measured[j] for measured in cases if j in measured]
        for i, slope in enumerate(_SLOPES):
            bases = np.array([_least_bases(_recalls(case, float(slope)))[asked] for case in of_k])
            bases = bases[np.isfinite(bases) & (bases > _BASES[0])]
            apart[i] += (bases.max() - bases).mean() if len(bases) else 0.0
    return float(_SLOPES[np.argmin(apart)])


def _of_filter(measured: dict[int, _Case], slope: float) -> np.ndarray:
    """The base of each K and recall: (len(KS), len(RECALLS))."""
    bases = np.full((len(KS), len(RECALLS)), _NOT_MEASURED)
    for j, case in measured.items():
        bases[j] = _least_bases(_recalls(case, slope))
    return bases


def _recalls(case: _Case, slope: float) -> np.ndarray:
    """The recall of each query with each of _BASES: (queries, bases)."""
    num_queries, k = case.needed.shape
    least = np.where(case.needed > 0.0, case.needed - slope * case.bounds[:, None], _BASES[0])
    step = _BASES[1] - _BASES[0]
    places = np.ceil((least - _BASES[0]) / step - 1e-9).clip(0, len(_BASES)).astype(np.int64)
    places += (np.arange(num_queries) * (len(_BASES) + 1))[:, None]
    counts = np.bincount(places.ravel(), minlength=num_queries * (len(_BASES) + 1)).reshape(num_queries, -1)
    recalls: np.ndarray = np.cumsum(counts[:, :-1], axis=1) / k
    return recalls


def _least_bases(found: np.ndarray) -> np.ndarray:
    """Of each of RECALLS, the least base whose mean recall is a standard error above it: (len(RECALLS),)."""
    sure = found.mean(axis=0) - found.std(axis=0) / np.sqrt(len(found))
    enough = sure[None, :] >= np.array(RECALLS)[:, None]
    return np.where(enough.any(axis=1), _BASES[enough.argmax(axis=1)], np.inf)


def _growth(all_of_them: np.ndarray, a_tenth: np.ndarray) -> np.ndarray:
    """By how much the bases of each K rise with ten times as many vectors, in the mean over the recalls."""
    measured = np.isfinite(all_of_them) & np.isfinite(a_tenth) & (all_of_them > _BASES[0]) & (a_tenth > _BASES[0])
    rise = np.full(all_of_them.shape, _LEAST_GROWTH)
    np.subtract(all_of_them, a_tenth, out=rise, where=measured)
    result: np.ndarray = np.maximum(rise.mean(axis=1), _LEAST_GROWTH)
    return result


def _rising(bases: np.ndarray) -> np.ndarray:
    """More recall never takes a smaller base; a K that was not measured takes that of the one before."""
    rising: np.ndarray = np.maximum.accumulate(bases, axis=1)
    for j in range(1, len(rising)):
        if rising[j, 0] == _NOT_MEASURED:
            rising[j] = rising[j - 1]
    return rising
