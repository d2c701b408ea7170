"""An order that fits an expression and a collection (language/order.py says how it is written)."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

import pyarrow as pa

from alicorn.errors import ConfigError, QueryError
from alicorn.interval import has_interval
from alicorn.language import tree
from alicorn.language.order import SCORES, ByColumn, Order, OrderBy, Part, RankFusion, parts_of, read_order
from alicorn.language.prepared import Prepared

BY_NN = read_order("nn")
BY_STATIC_RANK = read_order("static_rank")
BY_BM25 = read_order("bm25")
NN, STATIC_RANK, BM25 = BY_NN[0], BY_STATIC_RANK[0], BY_BM25[0]


def check_order(
    order_by: OrderBy | None, prepared: Prepared, columns: Mapping[str, pa.DataType], positions: Collection[str]
) -> Order:
    """The keys of an order. None: by nn where the expression has one, else by static rank.

    columns: the collection's stored columns. positions: the prefixes whose positions it keeps. Where a column is among
    the keys, static rank is the last of them. Raises ConfigError, and QueryError for an order by nn, or by that of a
    key, without such an nn in the tree.
    """
    if order_by is None:
        return BY_NN if prepared.has_nn else BY_STATIC_RANK
    order = read_order(order_by)
    if order is BY_BM25 or order is BY_STATIC_RANK:  # they fit every expression
        return order
    for part in parts_of(order):
        if part.kind == "nn":
            _check_nn(part, prepared)
        elif part.kind == "column":
            _check_column(part.of, columns, in_sum=True)
        elif part.kind == "phrase" and part.of not in positions:
            raise ConfigError(
                f"order_by {part} needs the positions of the terms of prefix {part.of!r}; this collection keeps those"
                f" of: {', '.join(positions) or 'none'}"
            )
    for key in order:
        if isinstance(key, ByColumn):
            _check_column(key.name, columns, in_sum=False)
    _check_shares(order, prepared)
    by_column = any(isinstance(key, ByColumn) for key in order)
    return (*order, STATIC_RANK) if by_column and STATIC_RANK not in order else order


def columns_of(order: Order) -> tuple[ByColumn, ...] | None:
    """The columns of an order that scores no document: columns, then static rank. None for any other order."""
    if order is BY_STATIC_RANK:
        return ()
    columns = tuple(key for key in order[:-1] if isinstance(key, ByColumn))
    return columns if order[-1] == STATIC_RANK and len(columns) == len(order) - 1 else None


def can_order(kind: pa.DataType) -> bool:
    """Whether values of a type have an order: strings, numbers, booleans, dates, times, durations."""
    return bool(pa.types.is_string(kind) or pa.types.is_null(kind) or has_interval(kind))


def can_sum(kind: pa.DataType) -> bool:
    """Whether values of a type are numbers; a column without a value yet has none."""
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null)
    return any(is_kind(kind) for is_kind in kinds)


def _check_nn(part: Part, prepared: Prepared) -> None:
    keys = [node.key for node in prepared.named if isinstance(node, tree.Nn)]
    if not keys:
        raise QueryError("order_by nn needs an (nn ...) in the expression; order by static_rank or bm25, or add one")
    if part.of and part.of not in keys:
        raise QueryError(
            f"order_by {part} needs an (nn {part.of} ...) in the expression, which has an nn of: {', '.join(keys)}"
        )


def _check_column(name: str, columns: Mapping[str, pa.DataType], in_sum: bool) -> None:
    allows = can_sum if in_sum else can_order
    if name not in columns:
        near = difflib.get_close_matches(name, [*SCORES, *columns], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ConfigError(f"order_by: there is no stored column {name[:40]!r}{hint} {_allowed(columns)}")
    if not allows(columns[name]):
        problem = "which is no number, and a sum is of numbers" if in_sum else "which has no order"
        raise ConfigError(f"order_by: {name!r} is {columns[name]}, {problem}. {_allowed(columns)}")


def _check_shares(order: Order, prepared: Prepared) -> None:
    """Ranks are among all hits, and shares are filled from a part of them."""
    root = prepared.root
    if (
        isinstance(root, tree.StrongOr)
        and any(root.optional_weight)
        and any(isinstance(key, RankFusion) for key in order)
    ):
        raise ConfigError(
            "order_by: rrf ranks all hits of an answer, and a (strong-or ...) with :optional-weight fills shares of it:"
            " order by a weighted sum"
        )


def _allowed(columns: Mapping[str, pa.DataType]) -> str:
    names = [name for name, kind in columns.items() if can_order(kind) and name not in SCORES]
    listed = ", ".join(names) or "this collection has none"
    return (
        f"Allowed are {', '.join(SCORES)}, weights of them and of stored numbers, rrf of them, and a stored column with"
        f" asc or desc: {listed}"
    )
