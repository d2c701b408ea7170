"""What would a plan cost? Estimated sizes of operands, and nanoseconds of the ways to run an `nn`.

Pure functions of counts. benchmarks/engine/engine.py measured the constants on one core; what matters is their order,
because the answer is the same whatever the plan.
"""

from __future__ import annotations

from alicorn.index import Segment, Snapshot
from alicorn.language import tree

# Nanoseconds.
_EXACT_ROW = 5.0  # one stored vector at a random place: the cache misses, of which a core has a dozen under way
_EXACT_DIM = 0.36
_CODE_ROW = 28.0  # one code, the first part of it, at a random place
_CODE_BYTE = 0.1
_BIT = 0.1  # one row passed over in a bitmap
_MEMBER = 1.5  # one member of a bitmap listed, or of a list marked in a bitmap
_RECHECKED = 0.02  # share of scored rows that need their stored vector after all
_CLUSTER = 5.0  # one centroid compared, where clusters are looked at


def nn_costs(
    num_allowed: int | None,
    rows_in_clusters: int,
    rows_total: int,
    num_clusters: int,
    scan_size: int,
    dim: int,
    probed: bool,
    listed: bool,
) -> dict[str, float]:
    """Estimated ns, over one segment, of each plan for the rows of some clusters.

    num_allowed: how many documents may match (a filter, or what the other operands of `and` left), None for all.
    scan_size: bytes of a code that a scan reads; 0 where there is no code.
    probed: whether `:nprobe` limits the clusters; without it, `exact` need not look at clusters at all.
    listed: whether the allowed documents are a list of numbers, else they are a bitmap.
    The plans:
      exact   stored vectors of the allowed rows in the clusters: no codes, nothing to check again
      slice   codes of the allowed rows, found in a list, in the clusters; stored vectors where the code cannot decide
      scan    the same of the rows whose bit is set; codes of all rows where all are allowed
    """
    exact_row = _EXACT_ROW + _EXACT_DIM * dim
    code_row = _CODE_ROW + _CODE_BYTE * scan_size + _RECHECKED * exact_row if scan_size else exact_row
    clusters = _CLUSTER * num_clusters
    if num_allowed is None:
        return {"scan": clusters + rows_in_clusters * code_row}
    inside = num_allowed * rows_in_clusters / max(rows_total, 1)
    listing = 0.0 if listed else _MEMBER * num_allowed
    marking = _MEMBER * num_allowed if listed else 0.0
    return {
        "exact": (clusters if probed else 0.0) + listing + inside * exact_row,
        "slice": clusters + listing + inside * code_row,
        "scan": clusters + marking + rows_in_clusters * _BIT + inside * code_row,
    }


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
