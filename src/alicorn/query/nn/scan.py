"""How many clusters must be read to have looked at N of the documents that a filter allows? `:scan N` of an `nn`.

Clusters are taken by falling cosine of their centroid, whole, until they hold N allowed live documents, over all
segments together. With at most N allowed documents that is every cluster, and the answer is exact; without a filter it
is an nprobe that follows the sizes of the clusters. It is EBR's measure of work, documents scanned (section 4.2).
"""

from __future__ import annotations

import numpy as np

from alicorn.compiled import kernel
from alicorn.index import EmbeddingBlock, SegmentView, Snapshot
from alicorn.quantization import KeyQuantizer
from alicorn.quantization.kernels.intrinsics import address
from alicorn.query.nn.loop.allowed import ones_between
from alicorn.query.nn.plan import allowed_rows
from alicorn.query.nn.probe import Ranking
from alicorn.query.sets import docset
from alicorn.query.sets.docset import Bitmap, DocSet

Members = list[tuple[EmbeddingBlock, DocSet | None]]
"""The blocks of a key with their allowed live rows; None: all rows."""
_SPARE = 2  # times as many clusters are ranked as evenly spread documents would need


def clusters_to_scan(
    snapshot: Snapshot, key: str, query: np.ndarray, scan: int, allowed: list[DocSet] | None
) -> Ranking | None:
    """The nearest clusters that hold `scan` allowed live documents with the embedding; None: all are needed.

    query: (dim,) float32 of unit length. allowed: live documents, per segment; None: all.
    """
    members = members_of(snapshot, key, allowed)
    return nearest_holding(snapshot.quantizers[key], query, scan, members, total_of(members))


def nearest_holding(
    quantizer: KeyQuantizer, query: np.ndarray, scan: int, members: Members, total: int
) -> Ranking | None:
    """The same for the members of the blocks. total: how many they are."""
    if total <= scan:
        return None
    ranked = min(quantizer.num_clusters, 1 + _SPARE * quantizer.num_clusters * scan // total)
    while True:
        clusters, cosines, off = quantizer.coarse.nearest(query, ranked)
        counts = counts_in(*members[0], clusters)
        for block, rows in members[1:]:
            counts = counts + counts_in(block, rows, clusters)
        enough = first_reaching(counts, scan)
        if enough < len(counts):
            return Ranking(clusters[: enough + 1], cosines, off)
        if ranked == quantizer.num_clusters:
            return None
        ranked = min(quantizer.num_clusters, 4 * ranked)


def total_of(members: Members) -> int:
    return sum([len(block.docs) if rows is None else docset.size(rows) for block, rows in members])


def held(
    snapshot: Snapshot, key: str, query: np.ndarray, num_clusters: int | None, allowed: list[DocSet] | None
) -> int:
    """How many allowed live documents with the embedding so many nearest clusters hold; None: all clusters."""
    quantizer = snapshot.quantizers[key]
    clusters, _, _ = quantizer.coarse.nearest(query, num_clusters or quantizer.num_clusters)
    return int(sum(counts_in(block, rows, clusters).sum() for block, rows in members_of(snapshot, key, allowed)))


def members_of(snapshot: Snapshot, key: str, allowed: list[DocSet] | None) -> Members:
    """allowed: live documents, per segment; None: all."""
    members = []
    for at, view in enumerate(snapshot.segments):
        block = view.segment.embeddings.get(key)
        if block is not None:
            members.append((block, live_rows(view, block, None if allowed is None else allowed[at])))
    return members


def live_rows(view: SegmentView, block: EmbeddingBlock, allowed: DocSet | None) -> DocSet | None:
    """The allowed live rows of a segment's block; None: all rows. allowed: live documents; None: all."""
    if allowed is None:
        if view.deleted is None:
            return None
        allowed = Bitmap(view.live_words, view.num_live)
    return allowed if block.identity else allowed_rows(block, allowed)


def counts_in(block: EmbeddingBlock, rows: DocSet | None, clusters: np.ndarray) -> np.ndarray:
    """How many of the rows each of the clusters holds: (len(clusters),) int64."""
    if isinstance(rows, Bitmap):
        counts = np.empty(len(clusters), dtype=np.int64)
        _count_bits(rows.words, block.starts, clusters, counts)
        return counts
    starts, stops = block.starts[clusters], block.starts[clusters + 1]
    if rows is not None:
        numbers = docset.as_array(rows)
        starts, stops = np.searchsorted(numbers, starts), np.searchsorted(numbers, stops)
    result: np.ndarray = stops - starts
    return result


@kernel("int64(int64[::1], int64)")
def first_reaching(counts, wanted):
    """The first place at which the counts so far come to `wanted`; their number where they do not."""
    held = 0
    for i in range(len(counts)):
        held += counts[i]
        if held >= wanted:
            return i
    return len(counts)


@kernel("void(uint64[::1], int64[::1], int64[::1], int64[::1])")
def _count_bits(words, starts, clusters, counts):
    """How many bits are set in each cluster, whose numbers are those from starts[cluster] to starts[cluster + 1]."""
    for i in range(len(clusters)):
        counts[i] = ones_between(address(words), starts[clusters[i]], starts[clusters[i] + 1])
