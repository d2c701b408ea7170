"""A facet: what is counted over all documents of a result, whatever the limit; and the counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Facet:
    """The most frequent values of a stored column or terms of a prefix; or the ranges of a column between edges.

    column: of strings, lists of strings, or any type that `order_by` takes. prefix: of terms, such as "tag:"; give
    either. top: how many values, the most frequent first, ties by value. edges: rising numbers, as `range` reads them
    (docs/query-language.md): counted are the values below the first, from each edge to below the next, and from the
    last on.
    """

    column: str | None = None
    prefix: str | None = None
    top: int = 10
    edges: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many documents have a value. value: of a column, or a term without its prefix; of edges (from, to), where
    None is no end."""

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
