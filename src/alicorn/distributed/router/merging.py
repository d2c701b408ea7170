"""The hits and the counts of all shards as those of one collection."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.distributed.protocol.messages import FacetPart, Hits
from alicorn.language import tree
from alicorn.language.order import ByColumn, Order
from alicorn.query.facets import Facet
from alicorn.query.facets.count import ValueCounts, most_frequent
from alicorn.query.facets.facet import Bucket, Counts
from alicorn.query.facets.histogram import Edge
from alicorn.query.facets.ranges import edges_of, without_open_ends


@dataclass(frozen=True, eq=False)
class Gathered:
    """Hits of several shards, one list after the other: (n,) each. keys: of the order, the smaller the earlier.

    scores: of each key that is a score; columns: values of each that is a column. found_by: bool (n, operands).
    """

    shards: np.ndarray
    ids: list[str]
    scores: tuple[np.ndarray, ...]
    columns: tuple[pa.Array, ...]
    keys: tuple[np.ndarray, ...]
    found_by: np.ndarray | None

    @classmethod
    def of(cls, order: Order, lists: Sequence[tuple[int, Hits]]) -> Gathered:
        """lists: a shard's number and some of its hits."""
        hits = [one for _, one in lists]
        scores = tuple(_joined(parts) for parts in zip(*(one.scores for one in hits), strict=True))
        columns = tuple(pa.concat_arrays(parts) for parts in zip(*(one.columns for one in hits), strict=True))
        of_scores, of_columns = iter(scores), iter(columns)
        keys = [
            _places(next(of_columns), key.falling) if isinstance(key, ByColumn) else -next(of_scores) for key in order
        ]
        ids = [doc_id for one in hits for doc_id in one.ids]
        found_by = [one.found_by for one in hits if one.found_by is not None and len(one.ids)]
        return cls(
            np.repeat([shard for shard, _ in lists], [len(one.ids) for one in hits]),
            ids,
            scores,
            columns,
            (*keys, np.asarray(pc.rank(pa.array(ids, pa.string()), tiebreaker="dense"))),
            np.concatenate(found_by) if found_by else hits[0].found_by,
        )

    def first(self, places: np.ndarray, limit: int) -> np.ndarray:
        """The first of the hits at some places, in the order."""
        best: np.ndarray = places[np.lexsort([key[places] for key in reversed(self.keys)])[:limit]]
        return best


def with_shares(
    gathered: Gathered, root: tree.StrongOr, num_best: int, shares: Sequence[int], limit: int
) -> np.ndarray:
    """The places of the first hits where each marked operand has its share, as query/order/share.py fills them.

    gathered: first the best of the shards, `num_best` hits, then the first of each marked operand, of which `shares`
    says how many.
    """
    reserved: dict[str, int] = {}
    start = num_best
    for weight, count in zip([weight for weight in root.optional_weight if weight is not None], shares, strict=True):
        share = min(math.ceil(weight * limit - 1e-9), limit)
        for place in gathered.first(np.arange(start, start + count), share).tolist():
            if len(reserved) < limit:
                reserved.setdefault(gathered.ids[place], place)
        start += count
    for place in gathered.first(np.arange(num_best), limit).tolist():
        if len(reserved) >= limit:
            break
        reserved.setdefault(gathered.ids[place], place)
    return gathered.first(np.array(list(reserved.values()), dtype=np.int64), limit)


def facets_of(facets: Mapping[str, Facet], parts: Sequence[Mapping[str, FacetPart]]) -> dict[str, Counts]:
    """The counts of all shards together."""
    return {name: _counts(name, facet, [part[name] for part in parts]) for name, facet in facets.items()}


def _counts(name: str, facet: Facet, parts: Sequence[FacetPart]) -> Counts:
    if parts[0].values is not None:
        return most_frequent([ValueCounts(part.values, part.counts, part.missing) for part in parts], facet.top)
    edges: Sequence[Edge] = facet.edges
    if facet.interval is not None:
        ends = [end for part in parts[:1] if part.ends is not None for end in part.ends]
        edges = edges_of(f"facet {name!r}", facet.interval, ends)
    counts = np.sum([part.counts for part in parts], axis=0).tolist()
    ends = [None, *edges, None]
    buckets = tuple(Bucket((low, high), count) for low, high, count in zip(ends[:-1], ends[1:], counts, strict=True))
    together = Counts(buckets, len(buckets), sum(part.missing or 0 for part in parts))
    return together if facet.interval is None else without_open_ends(together)


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Scores of the type that the shards with hits give them."""
    return np.concatenate([part for part in parts if len(part)] or parts[:1])


def _places(values: pa.Array, falling: bool) -> np.ndarray:
    """The places of values among the distinct ones, null and NaN last: (n,) float64."""
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    if pa.types.is_null(values.type):
        return np.full(len(values), np.inf)
    missing = pc.is_null(values, nan_is_null=True).to_numpy(zero_copy_only=False)
    places = np.full(len(values), np.inf)
    known = values.filter(pa.array(~missing))
    places[~missing] = pc.rank(known, sort_keys="descending" if falling else "ascending", tiebreaker="dense")
    return places
