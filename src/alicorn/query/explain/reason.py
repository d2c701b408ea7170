"""Why is a document in a result, or not? For every node of the tree: does it match the document, and the reason.

The engine evaluates leaves, and operators that count over the whole collection; whether a Boolean operator holds the
document follows from its operands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from alicorn.index import SegmentView
from alicorn.language import tree
from alicorn.query.explain.step import spelled
from alicorn.query.nn.nearest import exact_cosines
from alicorn.query.run import Execution
from alicorn.query.sets import docset

_SHOWN_TERMS = 5


@dataclass(frozen=True)
class Reason:
    """One node. matches: whether its set holds the document; why: in words; children: its operands."""

    expression: str
    matches: bool
    why: str
    children: tuple[Reason, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        described: dict[str, Any] = {"expression": self.expression, "matches": self.matches, "why": self.why}
        return described | ({"children": [child.to_dict() for child in self.children]} if self.children else {})

    def __str__(self) -> str:
        return "\n".join(self._lines(0))

    def _lines(self, depth: int) -> list[str]:
        line = f"{'  ' * depth}{'yes' if self.matches else 'no '}  {self.expression}  {self.why}"
        return [line, *(inner for child in self.children for inner in child._lines(depth + 1))]


def reason(evaluation: Execution, node: tree.Node, at: int, number: int) -> Reason:
    """Why the tree holds, or does not hold, document `number` of segment `at`."""
    children = tuple(reason(evaluation, child, at, number) for child in tree.children(node))
    view = evaluation.snapshot.segments[at]
    held = [child.matches for child in children]
    match node:
        case tree.Not():
            matches = not held[0]
        case tree.And():
            matches = all(held)
        case tree.Or() | tree.StrongOr():
            matches = any(held)
        case tree.Difference():
            matches = held[0] and not any(held[1:])
        case _:
            matches = bool((docset.as_array(evaluation.evaluate(node, None)[at]) == number).any())
    return Reason(spelled(node), matches, _why(evaluation, node, view, number, matches, children), children)


def _why(
    evaluation: Execution,
    node: tree.Node,
    view: SegmentView,
    number: int,
    matches: bool,
    children: tuple[Reason, ...],
) -> str:
    holding = sum(child.matches for child in children)
    match node:
        case tree.Term():
            return "has the term" if matches else "lacks the term"
        case tree.Prefix() | tree.Fuzzy():
            terms = evaluation.expansion(node).chosen(view, view.segment.document(number)["terms"])
            return f"has {', '.join(terms[:_SHOWN_TERMS])}" if terms else "has none of the terms that it expands to"
        case tree.Phrase():
            return _in_order(node, view, number, matches)
        case tree.Range(column=column):
            return f"{column} is {view.segment.document(number).get(column)}"
        case tree.Nn():
            return _near(evaluation, node, view, number, matches)
        case tree.Not():
            return "the operand does not hold it" if matches else "the operand holds it"
        case tree.Difference():
            if not children[0].matches:
                return "the first operand does not hold it"
            return "only the first operand holds it" if matches else "a later operand holds it too"
        case tree.WeakAnd():
            lacking = len(children) - holding
            if not lacking:
                return "every operand holds it"
            spent = "within the optional hits" if matches else "and the optional hits do not cover it"
            return f"{lacking} of {len(children)} operands do not hold it, {spent}"
        case tree.Apply(prefix=prefix):
            return f"has a term {prefix}<id> of the inner result" if matches else f"no {prefix}<id> of the inner result"
        case tree.Extract(column=column):
            return f"{'listed' if matches else 'not listed'} in {column} of the inner result"
    if not children:
        return "holds it" if matches else "does not hold it"
    return f"{holding} of {len(children)} operands hold it"


def _in_order(node: tree.Phrase, view: SegmentView, number: int, matches: bool) -> str:
    held = set(view.segment.document(number)["terms"])
    lacking = [term for term in dict.fromkeys(node.terms) if term not in held]
    if lacking:
        return f"lacks {', '.join(lacking[:_SHOWN_TERMS])}"
    order = f"in this order, within :slop {node.slop}" if node.slop else "one after the other, in this order"
    return f"has the words {order}" if matches else f"has the words, but not {order}"


def _near(evaluation: Execution, node: tree.Nn, view: SegmentView, number: int, matches: bool) -> str:
    block = view.segment.embeddings.get(node.key)
    row = -1 if block is None else int(block.rows_of[number])
    if block is None or row < 0:
        return f"has no embedding {node.key}"
    probe = evaluation.probe(node)
    cosine = exact_cosines(block, probe.query, np.array([row]))[0]
    distance = f"distance {1.0 - float(cosine):.4f}"
    cluster = int(np.searchsorted(block.starts, row, side="right")) - 1
    if not probe.all_clusters and cluster not in probe.ascending:
        looked = f"nprobe {node.nprobe}"
        if node.counts_documents:
            why = f"hold {node.scan}" if node.recall is None else f"the recall {node.recall} needs"
            looked = f"the {len(probe.ascending)} that {why}"
        return f"{distance}; its cluster {cluster} is the {_place(evaluation, node, cluster)}. nearest, beyond {looked}"
    if node.radius is not None:
        return f"{distance}, {'within' if matches else 'beyond'} the radius {node.radius}"
    count, last = evaluation.reach(node)
    if count == 0:
        return f"{distance}; the filter leaves no document with this embedding"
    return f"{distance}; the last of the {count} nearest is at {1.0 - last:.4f}"


def _place(evaluation: Execution, node: tree.Nn, cluster: int) -> int:
    cosines = evaluation.complete_probe(node).cosines
    return int((cosines > cosines[cluster]).sum()) + 1
