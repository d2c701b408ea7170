"""What shards must agree on in the middle of an answer: the part that each sends, and the reply to each.

Every exchange is one class: a shard's part, whose `together` makes the replies to all shards from the parts of all.
A part holds no less than can matter, and a reply says no more than its shard needs.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class CutReply(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """count: how many of the shard's first documents are among the first of all; size: how many these are, and last:
    the score of the last, 0.0 without any. total: of all shards. ids: of the first of all, where they are asked for."""

    count: int
    size: int
    last: float
    total: int
    ids: list[str]


class CutPart(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The first documents of a shard, by falling score and then doc_id, to be cut to the first `k` of all shards.

    scores: (n,); total: how many documents the shard has; tells: whether the reply names the first of all.
    """

    k: int
    scores: np.ndarray
    ids: list[str]
    total: int
    tells: bool

    @staticmethod
    def together(parts: Sequence[CutPart]) -> list[CutReply]:
        scores, ids = np.concatenate([part.scores for part in parts]), [one for part in parts for one in part.ids]
        shards = np.repeat(np.arange(len(parts)), [len(part.scores) for part in parts])
        first = best_first(scores, ids)[: parts[0].k]
        counts = np.bincount(shards[first], minlength=len(parts))
        last = float(scores[first[-1]]) if len(first) else 0.0
        told = [ids[at] for at in first.tolist()] if parts[0].tells else []
        total = sum(part.total for part in parts)
        return [CutReply(count, len(first), last, total, told) for count in counts.tolist()]


class ClustersReply(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """clusters: how many nearest clusters hold as many documents as are wanted; None: all are needed.

    allowed: documents of all shards that count; vectors: of the key.
    """

    clusters: int | None
    allowed: int
    vectors: int


class ClustersPart(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """How many allowed documents the clusters of a shard hold, the nearest first, until they hold `scan` or are all.

    places: (n,) int64, of the clusters that hold any; counts: (n,) int64, of these.
    """

    scan: int
    allowed: int
    vectors: int
    places: np.ndarray
    counts: np.ndarray

    @staticmethod
    def together(parts: Sequence[ClustersPart]) -> list[ClustersReply]:
        allowed, scan = sum(part.allowed for part in parts), parts[0].scan
        clusters = None
        if allowed > scan:
            places = np.concatenate([part.places for part in parts])
            held = np.zeros(int(places.max()) + 1, dtype=np.int64)
            np.add.at(held, places, np.concatenate([part.counts for part in parts]))
            clusters = int(np.searchsorted(np.cumsum(held), scan)) + 1
        return [ClustersReply(clusters, allowed, sum(part.vectors for part in parts))] * len(parts)


class Lacking(msgspec.Struct, array_like=True, frozen=True):
    """The first documents in static-rank order that lack the same marked operands, by number of the operand."""

    operands: list[int]
    ranks: np.ndarray
    ids: list[str]


class OptionalReply(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """How many of the first documents of each kind a `weak-and` accepts."""

    counts: list[int]


class OptionalPart(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The documents of a shard that a `weak-and` may accept. hits: of each marked operand.

    Counters only fall, so of the documents that lack the same operands the first are accepted: at most as many as the
    least of their counters.
    """

    hits: list[int]
    kinds: list[Lacking]

    @staticmethod
    def together(parts: Sequence[OptionalPart]) -> list[OptionalReply]:
        kinds = [(shard, at, kind) for shard, part in enumerate(parts) for at, kind in enumerate(part.kinds)]
        ranks = np.concatenate([np.empty(0), *(kind.ranks for _, _, kind in kinds)])
        of_kind = np.repeat(np.arange(len(kinds)), [len(kind.ranks) for _, _, kind in kinds])
        left = list(parts[0].hits)
        accepted = [[0] * len(part.kinds) for part in parts]
        for place in best_first(ranks, [one for _, _, kind in kinds for one in kind.ids]).tolist():
            shard, at, kind = kinds[of_kind[place]]
            if all(left[operand] for operand in kind.operands):
                accepted[shard][at] += 1
                for operand in kind.operands:
                    left[operand] -= 1
        return [OptionalReply(counts) for counts in accepted]


class ListedReply(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The ids that the documents of any shard list."""

    ids: list[str]


class ListedPart(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The ids that the first documents of an inner expression list in a column, each once."""

    ids: list[str]

    @staticmethod
    def together(parts: Sequence[ListedPart]) -> list[ListedReply]:
        return [ListedReply(list(dict.fromkeys(one for part in parts for one in part.ids)))] * len(parts)


class RisingReply(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """What the hits of all shards have of a part of a fusion, ascending."""

    values: np.ndarray


class RisingPart(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """What the hits of a shard have of a part of a fusion, ascending: ranks are among all hits."""

    values: np.ndarray

    @staticmethod
    def together(parts: Sequence[RisingPart]) -> list[RisingReply]:
        return [RisingReply(np.sort(np.concatenate([part.values for part in parts])))] * len(parts)


class EndsReply(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The same of all shards."""

    values: pa.Array


class EndsPart(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The least and the greatest finite value of each segment, between which the buckets of a histogram are."""

    values: pa.Array

    @staticmethod
    def together(parts: Sequence[EndsPart]) -> list[EndsReply]:
        held = [part.values for part in parts if len(part.values)] or [parts[0].values]
        return [EndsReply(pa.concat_arrays(held))] * len(parts)


ExchangePart = CutPart | ClustersPart | OptionalPart | ListedPart | RisingPart | EndsPart
Reply = CutReply | ClustersReply | OptionalReply | ListedReply | RisingReply | EndsReply


def best_first(scores: np.ndarray, ids: Sequence[str]) -> np.ndarray:
    """The places of documents by falling score, ties by the UTF-8 bytes of doc_id."""
    order = np.argsort(-scores, kind="stable")
    if (np.diff(scores[order]) == 0).any():
        ranks = np.asarray(pc.rank(pa.array(ids, pa.string()), tiebreaker="first"))
        order = np.lexsort((ranks, -scores))
    return order
