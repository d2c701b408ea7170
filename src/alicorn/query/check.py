"""Does an expression fit the collection and the request? Are its vectors vectors?

A mistake is refused under every plan and in every state of the data: an unknown column is a mistake even where another
operand matches nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from alicorn.errors import VectorError
from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.query.operators import OPERATORS
from alicorn.query.sets import kernels

_FLOAT32 = np.dtype(np.float32)


def check_expression(named: Iterable[tree.Node], snapshot: Snapshot, vectors: Mapping[str, np.ndarray]) -> None:
    """Raise QueryError or VectorError where a column, an embedding, a vector or its dimension does not fit."""
    for node in named:
        OPERATORS[type(node)].check(node, snapshot, vectors)


class UnitVectors(dict[str, np.ndarray]):
    """The vectors of a request by name, each (dim,) float32 of unit length: what check_vectors makes."""


def check_vectors(vectors: Mapping[str, object] | None) -> UnitVectors:
    """The request's vectors as float32 of unit length; vectors that are already are returned unchanged.

    Raises VectorError for NaN, infinity, zero or a wrong shape.
    """
    if isinstance(vectors, UnitVectors):
        return vectors
    given = UnitVectors()
    for name, vector in (vectors or {}).items():
        if type(vector) is np.ndarray and vector.dtype is _FLOAT32 and vector.ndim == 1:
            array = vector.copy()
            is_usable = 0.0 < kernels.normalize_in_place.entry(array) < math.inf
            given[name] = array if is_usable else unit_vector(name, vector)
        else:
            given[name] = unit_vector(name, vector)
    return given


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
