"""Documents whose ids are listed in a stored column of the documents of the inner expression. Source: Unicorn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.index import Segment, Snapshot
from alicorn.language import tree
from alicorn.query.operators.columns import need_column
from alicorn.query.operators.inner import first_of_inner
from alicorn.query.sets import docset
from alicorn.query.sets.docset import DocSet
from alicorn.query.sets.per_segment import Sets, narrow

if TYPE_CHECKING:
    from alicorn.query.run import Execution


def evaluate(evaluation: Execution, node: tree.Extract, within: Sets | None) -> Sets:
    """The inner expression is evaluated over the whole collection, and the result is narrowed afterwards."""
    wanted = ids_listed(evaluation.snapshot, node.column, *first_of_inner(evaluation, node))
    return narrow(documents_of(evaluation.snapshot, wanted), within)


def ids_listed(snapshot: Snapshot, column: str, segments: np.ndarray, numbers: np.ndarray) -> pa.StringArray:
    """The ids that a stored column of documents lists, each once. segments, numbers: (n,) integers."""
    ids: list[pa.Array] = [
        _ids_listed(view.segment.fields.column(column).take(pa.array(numbers[segments == at])))
        for at, view in enumerate(snapshot.segments)
        if column in view.segment.fields.column_names
    ]
    return pc.unique(pa.concat_arrays(ids)).drop_null() if ids else pa.array([], pa.string())


def documents_of(snapshot: Snapshot, ids: pa.StringArray) -> Sets:
    """The documents of these ids; others are left out."""
    return [_documents(view.segment, ids) for view in snapshot.segments]


def check(node: tree.Extract, snapshot: Snapshot, _: Mapping[str, np.ndarray]) -> None:
    listed = [name for name, kind in snapshot.columns.items() if _holds_ids(kind)]
    need_column(node.column, snapshot, listed, "a stored column of document ids", node.offset)


def _documents(segment: Segment, ids: pa.StringArray) -> DocSet:
    numbers = segment.numbers_of(ids)
    return docset.distinct(numbers[numbers >= 0].astype(np.uint32))


def _ids_listed(values: pa.ChunkedArray) -> pa.Array:
    """The strings of a column of strings or of lists of strings, as they come."""
    array = values.combine_chunks()
    if isinstance(array, pa.ListArray | pa.LargeListArray):
        array = array.flatten()
    return array.cast(pa.string())


def _holds_ids(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
        if pa.types.is_null(kind):  # no value has decided its type yet
            return True
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
