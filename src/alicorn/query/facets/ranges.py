"""The counts of ranges of a column: between edges that are given, or those of a histogram."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from alicorn.index import Segment
from alicorn.index.segment.numeric import places_within
from alicorn.query.facets.facet import Bucket, BucketWidth, Counts
from alicorn.query.facets.histogram import Edge, edges_between, floats_of
from alicorn.query.order.ordinals import Ordinals, plain


class Counted(NamedTuple):
    """A column of one segment. counts: how many documents of the result have each ordinal, the last that of null."""

    segment: Segment
    ordinals: Ordinals
    counts: np.ndarray
    column: str


def between(parts: Sequence[Counted], edges: Sequence[Edge]) -> Counts:
    """How many values are in each range: below the first edge, from each to below the next, from the last on."""
    totals = np.zeros(len(edges) + 1, dtype=np.int64)
    missing = 0
    for part in parts:
        missing += int(part.counts[-1])
        places = _first_from_each(part, edges)
        sums = np.concatenate([[0], np.cumsum(part.counts[:-1])])
        totals += np.diff(sums[[0, *places, len(part.ordinals.values)]])
    ends = [None, *edges, None]
    buckets = tuple(
        Bucket((low, high), count) for low, high, count in zip(ends[:-1], ends[1:], totals.tolist(), strict=True)
    )
    return Counts(buckets, len(buckets), missing)


def histogram(what: str, parts: Sequence[Counted], step: BucketWidth) -> Counts:
    """How many values are in each bucket, from the first that has a value to the last. Raises ConfigError."""
    edges = edges_of(what, step, [end for part in parts for end in ends_of(part)])
    return without_open_ends(between(parts, edges))


def edges_of(what: str, step: BucketWidth, ends: Sequence[pa.Scalar]) -> tuple[Edge, ...]:
    """The edges of a histogram. ends: values, the least and the greatest among them; none where there are none."""
    rising = sorted(ends, key=_comparable)
    return edges_between(what, step, rising[0], rising[-1]) if rising else ()


def without_open_ends(counts: Counts) -> Counts:
    """The buckets of a histogram: those without an end only where an infinite value is in them."""
    buckets = tuple(bucket for bucket in counts.buckets if bucket.count or None not in bucket.value)
    return Counts(buckets, len(buckets), counts.missing)


def ends_of(part: Counted) -> list[pa.Scalar]:
    """The least and the greatest finite value that a document of the result has; none if there is no such value."""
    values = part.ordinals.values
    shown = np.flatnonzero(part.counts[:-1])
    if pa.types.is_floating(values.type):  # the values ascend, so that at most the outermost are infinite
        outermost = values.take(pa.array(shown[[*range(min(2, len(shown))), *range(-min(2, len(shown)), 0)]]))
        finite = [value for value in outermost if math.isfinite(value.as_py())]
        return finite and [finite[0], finite[-1]]
    return [values[int(at)] for at in shown[[0, -1]]] if len(shown) else []


def _comparable(value: pa.Scalar) -> Any:
    return plain(value)


def _first_from_each(part: Counted, edges: Sequence[Edge]) -> list[int]:
    """The ordinals of the first values that are not below each edge."""
    values = part.ordinals.values
    if pa.types.is_floating(values.type):
        found: list[int] = np.searchsorted(values.to_numpy(), floats_of(edges, values.type)).tolist()
        return found
    return [_first_from(part, edge) for edge in edges]


def _first_from(part: Counted, edge: Edge) -> int:
    """The ordinal of the first value that is not below an edge."""
    column = part.segment.columns.get(part.column)
    if column is None:
        return 0
    end = edge.isoformat() if isinstance(edge, dt.date) else edge
    places = places_within(column, part.segment.fields.column(part.column), end, None)
    if places.start >= places.stop:
        return len(part.ordinals.values)
    return int(part.ordinals.numbers[column.sorted_docs[places.start]])
