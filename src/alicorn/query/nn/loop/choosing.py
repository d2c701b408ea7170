"""Which clusters are searched: the nearest, as many as the request says, and further ones once these are searched.

Everything is compiled, and taken by address (quantization/kernels/named.py).
"""

from __future__ import annotations

import numpy as np

from alicorn.compiled import subroutine
from alicorn.quantization import least_cosine
from alicorn.quantization.coarse.probing import falling, nearest_by_estimates
from alicorn.quantization.kernels.dot import dot
from alicorn.quantization.kernels.intrinsics import address, floats_at, keep, longs_at, new_words, words_at
from alicorn.query.nn.loop.allowed import num_allowed
from alicorn.query.nn.loop.arguments import ALL, Limits
from alicorn.query.nn.loop.top_k import sorted_by_upper_half

_SPARE = 2  # times as many clusters are ranked as evenly spread documents would need


@subroutine
def first_clusters(block, limits, cosines, choice):
    """The nearest clusters: so many, or as many as hold so many allowed rows -> array of int64, how many of it count.

    cosines, choice: of the query and the limits, arrays; the cosines of the clusters are exact then.
    """
    total = longs_at(block.starts)[block.num_clusters] if limits.mode == ALL else limits.num_rows
    ranked = choice.nearest
    if choice.holding and total <= max(choice.holding, choice.exact_to):
        ranked = block.num_clusters
    elif choice.holding:
        ranked = min(block.num_clusters, 1 + _SPARE * block.num_clusters * choice.holding // total)
    while True:
        clusters = np.empty(ranked, dtype=np.int64)
        nearest_by_estimates(choice.query, choice.centroids, choice.off, cosines, clusters)
        if choice.holding == 0 or total <= max(choice.holding, choice.exact_to):
            return clusters, ranked
        enough = _num_holding(block, limits, clusters, choice.holding)
        if enough or ranked == block.num_clusters:
            return clusters, enough if enough else ranked
        ranked = min(block.num_clusters, 4 * ranked)


@subroutine
def _num_holding(block, limits, clusters, wanted):
    """How many of the clusters hold so many allowed rows; 0 if all do not."""
    held, rows_of_all = np.int64(0), np.float64(longs_at(block.starts)[block.num_clusters])
    for i in range(len(clusters)):
        start = np.float64(longs_at(block.starts)[clusters[i]])
        guess = np.int64(start / rows_of_all * np.float64(limits.num_rows))
        held += num_allowed(block, limits, clusters[i], guess)[0]
        if held >= wanted:
            return i + 1
    return 0


@subroutine
def further_clusters(block, query, limits, bound):
    """Clusters beyond the limits' that a member nearer than `bound` needs, nearest first -> array of int64.

    bound: the cosine of the k-th nearest document in the limits' clusters. The cosines of those found are exact then.
    """
    choice, cosines = limits.choice, floats_at(query.cosines)
    least = least_cosine(choice.spread, choice.slope, choice.base, np.float64(bound))
    last = longs_at(limits.clusters)[limits.num_clusters - 1]
    space = new_words(2 * block.num_clusters)
    keys, count = address(space), 0
    for cluster in range(block.num_clusters):
        cosine = cosines[cluster]
        if np.float64(cosine) + choice.off < least:
            continue
        if choice.off > 0.0:
            cosine = dot(choice.query, choice.centroids + 4 * choice.dim * cluster, choice.dim)
            cosines[cluster] = cosine
        is_read = cosine > cosines[last] or (cosine == cosines[last] and cluster <= last)
        if np.float64(cosine) >= least and not is_read:
            words_at(keys)[count] = falling(cosine) << np.uint64(32) | np.uint64(cluster)
            count += 1
    keys = sorted_by_upper_half(keys, keys + 8 * block.num_clusters, count)
    clusters = np.empty(count, dtype=np.int64)
    for i in range(count):
        clusters[i] = np.int64(words_at(keys)[i] & np.uint64(0xFFFFFFFF))
    keep(space)
    return clusters


@subroutine
def with_clusters(limits, clusters, count):
    """The limits for other clusters, by their address."""
    return Limits(
        limits.mode,
        limits.rows,
        limits.num_rows,
        limits.bits,
        clusters,
        count,
        limits.deleted,
        limits.any_deleted,
        limits.k,
        limits.least,
        limits.id_order,
        limits.having,
        limits.choice,
        limits.flag,
    )
