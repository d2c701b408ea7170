"""Documents of every operand, where some may lack a marked operand as long as its optional hits last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alicorn.language import tree
from alicorn.query.sets import docset
from alicorn.query.sets.per_segment import Sets, live, narrow, subtract, unite
from alicorn.query.sets.static_order import with_optional_hits

if TYPE_CHECKING:
    from alicorn.query.run import Execution


def evaluate(evaluation: Execution, node: tree.WeakAnd, within: Sets | None) -> Sets:
    """Hits are counted over the whole collection, so the node is evaluated whole and narrowed afterwards."""
    complete, lacking, marked = split(evaluation, node)
    hits = [hits for hits in node.optional_hits if hits is not None]
    taken = with_optional_hits(evaluation.snapshot, lacking, marked, hits)
    return narrow(unite(evaluation.snapshot, [complete, taken]), within)


def split(evaluation: Execution, node: tree.WeakAnd) -> tuple[Sets, Sets, list[Sets]]:
    """The live documents of all operands; those that lack a marked one, and no other; those of each marked operand."""
    snapshot = evaluation.snapshot
    operands = list(zip(node.operands, node.optional_hits, strict=True))
    required = tuple(child for child, hits in operands if hits is None)
    marked = [evaluation.evaluate(child, None) for child, hits in operands if hits is not None]
    if required:
        base = live(snapshot, evaluation.evaluate(tree.And(required), None))
    else:
        base = live(snapshot, [docset.everything(view.segment.num_docs) for view in snapshot.segments])
    complete = base
    for matched in marked:
        complete = narrow(complete, matched)
    return complete, subtract(base, complete), marked
