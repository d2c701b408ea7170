"""What would a plan cost? Estimated sizes of operands, from posting and column statistics alone."""

from __future__ import annotations

from alicorn.index import Segment, Snapshot
from alicorn.language import tree

Known = dict[int, tuple[tree.Node, int]]  # id -> node, kept so that its id stays its own, and estimate


def estimate(node: tree.Node, snapshot: Snapshot, known: Known) -> int:
    """An upper estimate of how many documents a node matches, from posting and column statistics alone.

    known: what was estimated before is looked up there, so that asking of every node of a tree takes linear time.
    """
    if isinstance(node, tree.Term):
        return sum(posting_size(view.segment, node.term) for view in snapshot.segments)
    if id(node) not in known:
        known[id(node)] = node, _estimate(node, snapshot, known)
    return known[id(node)][1]


def _estimate(node: tree.Node, snapshot: Snapshot, known: Known) -> int:
    total = snapshot.num_docs
    match node:
        case tree.Prefix(prefix=prefix):
            return min(total, sum(prefix_size(view.segment, prefix) for view in snapshot.segments))
        case tree.And(operands=operands) | tree.WeakAnd(operands=operands):
            wanted = (child for child in operands if not isinstance(child, tree.Not))
            return min((estimate(child, snapshot, known) for child in wanted), default=0)
        case tree.Or(operands=operands) | tree.StrongOr(operands=operands):
            return min(total, sum(estimate(child, snapshot, known) for child in operands))
        case tree.Difference(operands=operands):
            return estimate(operands[0], snapshot, known)
        case tree.Nn(k=k) if k is not None:
            return min(total, k)
        case _:
            return total


def posting_size(segment: Segment, term: str) -> int:
    """How many documents of the segment have the term, deleted ones included."""
    number = segment.terms.find(term)
    if number < 0:
        return 0
    return int(segment.posting_starts[number + 1] - segment.posting_starts[number])


def prefix_size(segment: Segment, prefix: str) -> int:
    """How many postings the terms with the prefix have: at least as many as documents."""
    low, high = segment.terms.prefix(prefix)
    return int(segment.posting_starts[high] - segment.posting_starts[low])
