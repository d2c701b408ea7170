"""The keys by which a request may order its hits: scores, weighted sums of scores, and stored columns.

    "nn"  "static_rank"  "bm25"           a score, the best first
    {"nn": 0.7, "bm25": 0.3}              a weighted sum of scores, the best first
    "price"  "price asc"  "price desc"    a stored column, rising or falling; null and NaN last either way
    ["in_stock desc", "bm25", "price"]    several keys: the second decides where the first is equal

A name with a direction is always that of a column, even if a score has the same name.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from alicorn.errors import ConfigError, QueryError
from alicorn.interval import has_interval
from alicorn.language import tree

OrderBy = str | Mapping[str, float] | Sequence[str | Mapping[str, float]]
Weights = dict[str, float]


@dataclass(frozen=True, slots=True)
class ByColumn:
    """A stored column as a key."""

    name: str
    falling: bool


Order = tuple[Weights | ByColumn, ...]
"""At least one key. Equal documents come by doc_id."""

SCORES = ("nn", "static_rank", "bm25")
STATIC_RANK: Weights = {"static_rank": 1.0}
BY_NN: Order = ({"nn": 1.0},)
BY_STATIC_RANK: Order = (STATIC_RANK,)
BY_BM25: Order = ({"bm25": 1.0},)
MAX_KEYS = 8

_DIRECTIONS = ("asc", "desc")
_LARGEST = 1e300  # of a weight: its products with scores stay finite


def check_order(order_by: OrderBy | None, nn: tree.Nn | None, columns: Mapping[str, pa.DataType]) -> Order:
    """The keys of an order. None: by nn where the tree has one, else by static rank.

    nn: the tree's first; columns: the collection's stored columns. Where a column is among the keys, static rank is
    the last of them. Raises ConfigError, and QueryError for an order by nn without an nn in the tree.
    """
    if order_by is None:
        return BY_STATIC_RANK if nn is None else BY_NN
    keys = (order_by,) if isinstance(order_by, str | Mapping) else order_by
    if not isinstance(keys, Sequence):
        raise ConfigError(f"order_by must be a name, weights of names, or a list of them, got {type(keys).__name__}")
    if not 1 <= len(keys) <= MAX_KEYS:
        raise ConfigError(f"order_by: give 1 to {MAX_KEYS} keys, got {len(keys)}")
    order = tuple(_key(key, columns) for key in keys)
    if nn is None and any(not isinstance(key, ByColumn) and "nn" in key for key in order):
        raise QueryError("order_by nn needs an (nn ...) in the expression; order by static_rank or bm25, or add one")
    by_column = any(isinstance(key, ByColumn) for key in order)
    return (*order, STATIC_RANK) if by_column and STATIC_RANK not in order else order


def columns_of(order: Order) -> tuple[ByColumn, ...] | None:
    """The columns of an order that scores no document: columns, then static rank. None for any other order."""
    columns = tuple(key for key in order[:-1] if isinstance(key, ByColumn))
    return columns if order[-1] == STATIC_RANK and len(columns) == len(order) - 1 else None


def can_order(kind: pa.DataType) -> bool:
    """Whether values of a type have an order: strings, numbers, booleans, dates, times, durations."""
    return bool(pa.types.is_string(kind) or pa.types.is_null(kind) or has_interval(kind))


def _key(key: object, columns: Mapping[str, pa.DataType]) -> Weights | ByColumn:
    if isinstance(key, Mapping):
        return _weights(key)
    if not isinstance(key, str):
        raise ConfigError(f"order_by: a key must be a name or weights of names, got {type(key).__name__}")
    if key in SCORES:
        return {key: 1.0}
    name, _, direction = key.rpartition(" ")
    column = ByColumn(name, direction == "desc") if name and direction in _DIRECTIONS else ByColumn(key, False)
    if column.name not in columns:
        near = difflib.get_close_matches(column.name, [*SCORES, *columns], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ConfigError(f"order_by: there is no stored column {column.name[:40]!r}{hint} {_allowed(columns)}")
    if not can_order(columns[column.name]):
        raise ConfigError(
            f"order_by: {column.name!r} is {columns[column.name]}, which has no order. {_allowed(columns)}"
        )
    return column


def _allowed(columns: Mapping[str, pa.DataType]) -> str:
    names = [name for name, kind in columns.items() if can_order(kind) and name not in SCORES]
    listed = ", ".join(names) or "this collection has none"
    return f"Allowed are {', '.join(SCORES)}, weights of them, and a stored column with asc or desc: {listed}"


def _weights(weights: Mapping[object, object]) -> Weights:
    checked: Weights = {}
    for name, weight in weights.items():
        if not isinstance(name, str) or name not in SCORES:
            raise ConfigError(f"order_by: weights are of {', '.join(SCORES)}, got {name!r}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not -_LARGEST < weight < _LARGEST:
            raise ConfigError(f"order_by: the weight of {name!r} must be a finite number, got {weight!r}")
        checked[name] = weight
    if not checked:
        raise ConfigError("order_by: give the weight of at least one of " + ", ".join(SCORES))
    return checked
