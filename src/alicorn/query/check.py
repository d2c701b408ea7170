"""Does an expression fit the collection and the request?

What fails here fails for every plan and every state of the data: an unknown column is a mistake even where another
operand matches nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa

from alicorn.errors import QueryError, VectorError
from alicorn.index import Snapshot
from alicorn.interval import has_interval
from alicorn.language import tree
from alicorn.query.sets import kernels


def check_expression(named: Iterable[tree.Node], snapshot: Snapshot, vectors: Mapping[str, np.ndarray]) -> None:
    """Raise QueryError or VectorError where a column, an embedding, a vector or its dimension does not fit."""
    for node in named:
        match node:
            case tree.Range(column=column):
                numeric = [name for name, kind in snapshot.columns.items() if has_interval(kind)]
                _need_column(column, snapshot, numeric, "a stored column of numbers, times or booleans", node.offset)
            case tree.Extract(column=column):
                listed = [name for name, kind in snapshot.columns.items() if _holds_ids(kind)]
                _need_column(column, snapshot, listed, "a stored column of document ids", node.offset)
            case tree.Nn(key=key, vector=vector):
                _check_nn(node, key, vector or key, snapshot, vectors)


class UnitVectors(dict[str, np.ndarray]):
    """The vectors of a request by name, each (dim,) float32 of unit length: what check_vectors makes."""


def check_vectors(vectors: Mapping[str, object] | None) -> UnitVectors:
    """The request's vectors as float32 of unit length; those that are so already are returned as they are.

    Raises VectorError for NaN, infinity, zero or a wrong shape.
    """
    if isinstance(vectors, UnitVectors):
        return vectors
    return UnitVectors((name, unit_vector(name, vector)) for name, vector in (vectors or {}).items())


def unit_vector(name: str, vector: object) -> np.ndarray:
    """(dim,) of numbers -> (dim,) float32 of unit length."""
    try:
        if isinstance(vector, np.ndarray) and vector.dtype == np.float32:
            array = vector.copy()
        else:
            with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and is refused below
                array = np.array(vector, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise VectorError(
            f"vector {name!r}: expected a list or array of numbers, got {type(vector).__name__}"
        ) from error
    if array.ndim != 1 or len(array) == 0:
        raise VectorError(f"vector {name!r}: expected one dimension, (dim,), got shape {array.shape}")
    norm = kernels.normalize_in_place(array)
    if not math.isfinite(norm):
        at = int(np.flatnonzero(~np.isfinite(array))[0]) if not np.isfinite(array).all() else 0
        raise VectorError(f"vector {name!r}: component {at} is {array[at]}; every component must be finite")
    if norm == 0.0:
        raise VectorError(f"vector {name!r} is zero: it has no direction, and cosine distance needs one")
    return array


def check_matrix(name: str, matrix: object, num_rows: int) -> np.ndarray:
    """(num_rows, dim) of numbers -> float32 rows of unit length. Raises VectorError as unit_vector does, for a row."""
    array = np.asarray(matrix)
    if array.ndim != 2 or len(array) != num_rows:
        raise VectorError(
            f"vectors {name!r}: expected shape ({num_rows}, dim), one row per expression, got {array.shape}"
        )
    rows = np.array(array, dtype=np.float32) if array.dtype == np.float32 else None
    if rows is None or not kernels.normalize_rows_in_place(rows):
        return (
            np.stack([unit_vector(f"{name}[{i}]", row) for i, row in enumerate(array)])
            if num_rows
            else np.empty(array.shape, np.float32)
        )
    return rows


def _holds_ids(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
        if pa.types.is_null(kind):  # no value has decided its type yet
            return True
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _need_column(column: str, snapshot: Snapshot, allowed: list[str], wanted: str, offset: int) -> None:
    if column in allowed:
        return
    name = _shown(column)
    found = f"{name} is {snapshot.columns[column]}" if column in snapshot.columns else f"there is no {name}"
    choice = ", ".join(sorted(allowed)) or "none"
    raise QueryError(f"needs {wanted}, but {found}; the collection has: {choice}", offset)


def _check_nn(node: tree.Nn, key: str, name: str, snapshot: Snapshot, vectors: Mapping[str, np.ndarray]) -> None:
    if key not in snapshot.embeddings:
        known = ", ".join(sorted(snapshot.embeddings)) or "none"
        raise QueryError(f"the collection has no embedding {_shown(key)}; it has: {known}", node.offset)
    if name not in vectors:
        given = ", ".join(sorted(vectors)) or "none"
        raise QueryError(f"(nn {key} ...) needs the request's vector {_shown(name)}; given: {given}", node.offset)
    dim = snapshot.embeddings[key]
    if len(vectors[name]) != dim:
        raise VectorError(f"vector {name!r}: embedding {key!r} has {dim} dimensions, got {len(vectors[name])}")


def _shown(name: str) -> str:
    """In quotes, escaped, at most 40 characters of it."""
    return repr(name if len(name) <= 40 else name[:40] + "...")
