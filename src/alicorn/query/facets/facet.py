"""A facet: what is counted over all documents of a result, whatever the limit; and the counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

BucketWidth = float | Literal["day", "week", "month", "year"]
"""The width of the buckets of numbers, or the calendar unit of those of dates and timestamps, in UTC."""


@dataclass(frozen=True, slots=True)
class Facet:
    """The most frequent values of a stored column or terms of a prefix; or ranges of a column: between edges, or of a
    histogram.

    column: of strings, lists of strings, or any type that `order_by` takes. prefix: of terms, such as "tag:"; give
    either. top: how many values, the most frequent first, ties by value. edges: rising numbers, or times of ISO 8601
    for a column of times, as `range` reads them (docs/query-language.md): counted are the values below the first, from
    each edge to below the next, and from the last on. interval: buckets of one width, beginning at its multiples, or of
    one calendar unit, a week from Monday: counted are all from the first that has a document to the last that has one;
    infinite values are in buckets without an end.
    """

    column: str | None = None
    prefix: str | None = None
    top: int = 10
    edges: tuple[float | str, ...] = ()
    interval: BucketWidth | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many documents have a value. value: of a column, or a term without its prefix; of edges and an interval
    (from, below), where None is no end, and days of calendar units are datetime.date."""

    value: Any
    count: int


@dataclass(frozen=True, slots=True)
class Counts:
    """buckets: see Facet. num_values: how many distinct values the result has, or how many ranges there are.

    missing: documents without a value in the column; None of terms, where it is not counted.
    """

    buckets: tuple[Bucket, ...]
    num_values: int
    missing: int | None
