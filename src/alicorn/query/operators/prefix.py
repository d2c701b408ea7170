"""Documents that have a term with a prefix: the posting lists of a range of the sorted terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alicorn.index import Segment
from alicorn.language import tree
from alicorn.query.sets import docset
from alicorn.query.sets.docset import EMPTY, DocSet
from alicorn.query.sets.per_segment import Sets, narrow

if TYPE_CHECKING:
    from alicorn.query.run import Execution


def evaluate(evaluation: Execution, node: tree.Prefix, within: Sets | None) -> Sets:
    return narrow([_documents(view.segment, node.prefix) for view in evaluation.snapshot.segments], within)


def estimate(evaluation: Execution, node: tree.Prefix) -> int:
    snapshot = evaluation.snapshot
    return min(snapshot.num_docs, sum(_num_postings(view.segment, node.prefix) for view in snapshot.segments))


def _documents(segment: Segment, prefix: str) -> DocSet:
    low, high = segment.terms.prefix(prefix)
    if low == high:
        return EMPTY
    postings = segment.postings[segment.posting_starts[low] : segment.posting_starts[high]]
    return postings if high == low + 1 else docset.from_unsorted(postings, segment.num_docs)


def _num_postings(segment: Segment, prefix: str) -> int:
    """At least as many as documents."""
    low, high = segment.terms.prefix(prefix)
    return int(segment.posting_starts[high] - segment.posting_starts[low])
