"""Documents that have a term made of a prefix and the id of a document of the inner expression. Source: Unicorn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.query.operators.inner import first_of_inner
from alicorn.query.sets.per_segment import Sets, ids_of, narrow
from alicorn.query.sets.postings import having_any

if TYPE_CHECKING:
    from alicorn.query.run import Execution


def evaluate(evaluation: Execution, node: tree.Apply, within: Sets | None) -> Sets:
    """The inner expression is evaluated over the whole collection, and the result is narrowed afterwards."""
    ids = ids_of(evaluation.snapshot, *first_of_inner(evaluation, node))
    return narrow(pointing_to(evaluation.snapshot, node.prefix, ids), within)


def pointing_to(snapshot: Snapshot, prefix: str, ids: pa.StringArray) -> Sets:
    """The documents that have the term of the prefix and any of the ids."""
    beginning = pa.scalar(prefix.encode("utf-8", "surrogatepass"), pa.binary())
    terms = pc.binary_join_element_wise(beginning, ids.cast(pa.binary()), b"")
    found = [(view.segment, view.segment.terms.find_many(terms)) for view in snapshot.segments]
    return [having_any(segment, known[known >= 0]) for segment, known in found]
