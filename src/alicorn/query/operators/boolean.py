"""The operators of set algebra: and (with its nots), or, difference. A strong-or is an or until its answer is cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alicorn.language import tree
from alicorn.query.sets import docset
from alicorn.query.sets.per_segment import Sets, subtract, unite
from alicorn.query.text.in_all import having_all

if TYPE_CHECKING:
    from alicorn.query.run import Execution

_FEW = 16  # operands
_OF_PHRASE = 8  # to compare positions takes so many times what it takes to look a document up in a posting list


def evaluate_and(evaluation: Execution, node: tree.And, within: Sets | None) -> Sets:
    """The cheapest operand first, then each among the documents of those before; operands with an nn last."""
    wanted: list[tree.Node] = []
    refused: list[tree.Node] = []
    for child in _distinct(node.operands):
        if isinstance(child, tree.Not):
            refused.append(child.operand)
        else:
            wanted.append(child)
    if (
        within is None
        and len(wanted) > 1
        and evaluation.step is None
        and (of_terms := _having_all(evaluation, wanted)) is not None
    ):
        return _without(evaluation, of_terms, refused)
    if len(wanted) > 1:  # the cheap ones first
        wanted.sort(key=lambda child: (_holds_nn(child), _cost(evaluation, child)))
    found = within
    for child in wanted:
        found = evaluation.evaluate(child, found)
        if not any(map(docset.size, found)):
            return found
    assert found is not None  # the parser refuses an `and` without an operand that is not a `not`
    return _without(evaluation, found, refused)


def _having_all(evaluation: Execution, wanted: Sequence[tree.Node]) -> Sets | None:
    """The documents of some terms, found in one loop; None for other operands, and where bitmaps are joined sooner."""
    terms = [child.term for child in wanted if type(child) is tree.Term]
    if len(terms) < len(wanted):
        return None
    found = [having_all(view.segment, terms) for view in evaluation.snapshot.segments]
    return None if any(documents is None for documents in found) else found  # type: ignore[return-value]


def estimate_and(evaluation: Execution, node: tree.And | tree.WeakAnd) -> int:
    wanted = (child for child in node.operands if not isinstance(child, tree.Not))
    return min((evaluation.estimate(child) for child in wanted), default=0)


def evaluate_or(evaluation: Execution, node: tree.Or | tree.StrongOr, within: Sets | None) -> Sets:
    if node is not evaluation.top:
        return unite(evaluation.snapshot, [evaluation.evaluate(child, within) for child in _distinct(node.operands)])
    evaluation.of_operands = [evaluation.evaluate(child, within) for child in node.operands]
    return unite(evaluation.snapshot, evaluation.of_operands)


def estimate_or(evaluation: Execution, node: tree.Or | tree.StrongOr) -> int:
    return min(evaluation.snapshot.num_docs, sum(map(evaluation.estimate, node.operands)))


def evaluate_difference(evaluation: Execution, node: tree.Difference, within: Sets | None) -> Sets:
    return _without(evaluation, evaluation.evaluate(node.operands[0], within), _distinct(node.operands[1:]))


def estimate_difference(evaluation: Execution, node: tree.Difference) -> int:
    return evaluation.estimate(node.operands[0])


def _without(evaluation: Execution, found: Sets, refused: Sequence[tree.Node]) -> Sets:
    for child in refused:  # a posting list needs no narrowing
        found = subtract(found, evaluation.evaluate(child, None if isinstance(child, tree.Term) else found))
    return found


def _distinct(operands: tuple[tree.Node, ...]) -> tuple[tree.Node, ...]:
    """The distinct operands. A short list is left as it is: evaluating one again costs less than comparing all."""
    return operands if len(operands) <= _FEW else tuple(dict.fromkeys(operands))


def _cost(evaluation: Execution, node: tree.Node) -> int:
    """Of an operand that comes first: an upper estimate of the documents that it looks at."""
    return evaluation.estimate(node) * (_OF_PHRASE if isinstance(node, tree.Phrase) else 1)


def _holds_nn(node: tree.Node) -> bool:
    if isinstance(node, tree.Term):
        return False
    return isinstance(node, tree.Nn) or any(map(_holds_nn, tree.children(node)))
