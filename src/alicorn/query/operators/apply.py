"""Documents that have a term made of a prefix and the id of a document of the inner expression. Source: Unicorn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.index import Segment
from alicorn.language import tree
from alicorn.query.operators.inner import first_of_inner
from alicorn.query.sets import docset, kernels
from alicorn.query.sets.docset import DocSet
from alicorn.query.sets.per_segment import Sets, narrow

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
    return narrow([_documents(view.segment, terms) for view in views], within)


def _documents(segment: Segment, terms: pa.BinaryArray) -> DocSet:
    """The documents that have any of the terms."""
    numbers = segment.terms.find_many(terms)
    numbers = numbers[numbers >= 0]
    starts, stops = segment.posting_starts[numbers], segment.posting_starts[numbers + 1]
    postings = np.empty(int((stops - starts).sum()), dtype=np.uint32)
    kernels.join_lists(segment.postings, starts, stops, postings)
    return docset.from_unsorted(postings, segment.num_docs)
