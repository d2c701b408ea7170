"""Documents that have a term made of a prefix and the id of a document of the inner expression. Source: Unicorn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from alicorn.language import tree
from alicorn.query.operators.inner import first_of_inner
from alicorn.query.sets.per_segment import Sets, narrow
from alicorn.query.sets.postings import having_any

if TYPE_CHECKING:
    from alicorn.query.run import Execution


def evaluate(evaluation: Execution, node: tree.Apply, within: Sets | None) -> Sets:
    """The inner expression is evaluated over the whole collection, and the result is narrowed afterwards."""
    views = evaluation.snapshot.segments
    if not views:
        return []
    segments, numbers = first_of_inner(evaluation, node)
    ids = [
        view.segment.doc_ids.take(pa.array(numbers[segments == at])).cast(pa.binary()) for at, view in enumerate(views)
    ]
    prefix = pa.scalar(node.prefix.encode("utf-8", "surrogatepass"), pa.binary())
    terms = pc.binary_join_element_wise(prefix, pa.concat_arrays(ids), b"")
    found = [(view.segment, view.segment.terms.find_many(terms)) for view in views]
    return narrow([having_any(segment, known[known >= 0]) for segment, known in found], within)
