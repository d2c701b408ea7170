"""Measure a Calibration: what sampled queries see through sampled filters, by exact search. fitting.py fits the rule.

The filters are shares of the documents, shares of the clusters, which imitate filters that correlate with the vectors,
and all but the query's own region. The queries are vectors that were held out, or given. Vague queries are asked
besides, without a filter: a request that says less than a document, such as a first name alone, is as near to the
documents of many clusters (docs/decisions/053-recall-for-each-kind-of-query.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from alicorn.quantization.calibration import KS, Calibration, first_scan, needed_slack
from alicorn.quantization.fitting import Case, bases_of, growth_of, rising, slopes_of

SHARES = (0.1, 0.01, 0.001)  # of the documents, beside all of them
CLUSTER_SHARES = (0.3, 0.3, 0.1, 0.1, 0.03)
OWN_SHARES = (0.02, 0.3)  # of the documents, those in the clusters nearest to the query: all others are allowed
MEASURED_FROM = 2_000  # vectors
VAGUE_AMONG = (20, 1_000)  # nearest of the sampled vectors, from which a vague query is made: fewest and most
_VAGUE_OF = 20  # vectors that it is the mean of
_QUERIES = 128
_LEAST = 16  # queries: with fewer nothing is promised
_LARGEST_WORK = 1 << 28  # queries of both kinds x vectors: some seconds of a core at 128 dimensions
_TOGETHER = 1 << 25  # cosines that are kept at a time
_SAMPLED = 16_384
_BLOCK = 16_384


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
    held-out vectors are the queries, and are no answers. Vague queries are asked in both cases.
    """
    rng = np.random.default_rng(0)
    vectors = _Vectors(blocks)
    if len(vectors) < MEASURED_FROM:
        return None
    wanted = int(np.clip(_LARGEST_WORK // max(1, 2 * len(vectors)), _LEAST, _QUERIES))
    answers = np.ones(len(vectors), dtype=bool)
    around = np.sort(rng.choice(len(vectors), min(len(vectors), 128 * wanted), replace=False))
    around = around[held_out(vectors.some(around))]
    around = np.sort(rng.permutation(around)[:wanted])
    if queries is None:
        answers[around] = False
        queries = vectors.some(around)
    elif len(queries) > wanted:
        queries = queries[np.sort(rng.choice(len(queries), wanted, replace=False))]
    if len(queries) < _LEAST:
        return None
    spread = _spread(vectors, centroids, rng)
    filters = list(_filters(vectors, answers, len(centroids), rng))
    vague = _vague(vectors, around, centroids, rng)
    cases = _cases(vectors, filters, queries, centroids, spread)
    cases += _cases(vectors, [filters[0]._replace(but_own=(0.0,))], vague, centroids, spread)
    if not cases[0]:
        return None
    unfiltered = (0, len(cases) - 1)  # of the queries, and of the vague ones
    slopes = slopes_of(cases, unfiltered)
    each = [bases_of(measured, slopes, in_parts=i in unfiltered) for i, measured in enumerate(cases)]
    growth = growth_of(each[0], each[1 + len(OWN_SHARES)])
    return Calibration(spread, slopes, rising(np.max(each, axis=0)), len(vectors), growth)


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


def _vague(vectors: _Vectors, around: np.ndarray, centroids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A query for each of the rows `around`: the mean of some of the vectors nearest to it, less a share of its
    centroid, as a request may lack what its cluster has in common. (rows, dim) float32."""
    sample = vectors.some(np.sort(rng.choice(len(vectors), min(len(vectors), _SAMPLED), replace=False)))
    less = rng.uniform(0.0, 1.0, (len(around), 1)).astype(np.float32)
    rest = vectors.some(around) - less * centroids[vectors.clusters[around]]
    queries = np.empty((len(around), sample.shape[1]), dtype=np.float32)
    for query, cosines in zip(queries, rest @ sample.T, strict=True):
        among = int(np.exp(rng.uniform(*np.log(VAGUE_AMONG))))
        nearest = np.argpartition(-cosines, among)[:among]
        query[:] = sample[rng.choice(nearest, _VAGUE_OF, replace=False)].sum(axis=0)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return queries


def _spread(vectors: _Vectors, centroids: np.ndarray, rng: np.random.Generator) -> float:
    rows = np.sort(rng.choice(len(vectors), min(len(vectors), _SAMPLED), replace=False))
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
) -> list[dict[int, Case]]:
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
        measured: dict[int, Case] = {}
        for j in range(min(map(len, of_filter))):
            bounds = np.array([look[j].bound for look in of_filter])
            needed = needed_slack(spread, np.stack([look[j].cosines for look in of_filter]), bounds[:, None])
            needed[np.stack([look[j].first for look in of_filter])] = 0.0
            measured[j] = Case(bounds, needed)
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
