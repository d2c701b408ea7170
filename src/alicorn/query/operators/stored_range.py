"""Documents whose stored value is between two ends: a slice of the column's sorted values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from alicorn.errors import QueryError
from alicorn.index import SegmentView, Snapshot
from alicorn.index.segment.numeric import places_within
from alicorn.interval import check_end, has_interval
from alicorn.language import tree
from alicorn.query.operators.columns import need_column, shown
from alicorn.query.sets import docset
from alicorn.query.sets.docset import EMPTY, DocSet
from alicorn.query.sets.per_segment import Sets

if TYPE_CHECKING:
    from alicorn.query.run import Execution


def evaluate(evaluation: Execution, node: tree.Range, within: Sets | None) -> Sets:
    views = evaluation.snapshot.segments
    return [_documents(view, node, None if within is None else within[at]) for at, view in enumerate(views)]


def check(node: tree.Range, snapshot: Snapshot, _: Mapping[str, np.ndarray]) -> None:
    kind = snapshot.columns.get(node.column)
    if kind is None or not has_interval(kind):
        numeric = [name for name, kind in snapshot.columns.items() if has_interval(kind)]
        need_column(node.column, snapshot, numeric, "a stored column of numbers, times or booleans", node.offset)
    for end in (node.minimum, node.maximum):
        if end is not None:
            try:
                check_end(snapshot.columns[node.column], end)
            except ValueError as error:
                raise QueryError(f"column {shown(node.column)} {error}", node.offset) from error


def _documents(view: SegmentView, node: tree.Range, inside: DocSet | None) -> DocSet:
    column = view.segment.columns.get(node.column)
    if column is None:
        return EMPTY
    places = places_within(column, view.segment.fields.column(node.column), node.minimum, node.maximum)
    docs = column.sorted_docs[places]
    if len(docs) == 0:
        return EMPTY
    if inside is not None and docset.size(inside) <= len(docs):
        numbers = docset.as_array(inside)
        values, within = column.values[numbers], column.sorted_values[places]
        found: DocSet = numbers[column.valid[numbers] & (values >= within[0]) & (values <= within[-1])]
        return found
    documents = docset.from_unsorted(docs, view.segment.num_docs)
    return documents if inside is None else docset.intersect(documents, inside)
