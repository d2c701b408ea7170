"""An expression over a part of the collection: its answer is as if the other documents were not there.

It is not enough to intersect the result with the allowed documents: `:k` nearest would be counted among all, `apply`
and `extract` would tell what hidden documents point to, and a hidden document could use up the counter of a `weak-and`.
So the allowed documents are also the filter of every `nn` with `:k`, an operand of every `weak-and`, and the inner
expression's limit in `apply` and `extract`. The other operators look at one document at a time: for them the
intersection is enough.

What stays of the hidden documents are statistics: the frequencies in BM25, by which a `prefix` and a `fuzzy` choose
their terms, and the clusters in which an `nn` with `:nprobe` looks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from alicorn.errors import QueryError
from alicorn.index import SegmentView, Snapshot
from alicorn.language import tree
from alicorn.language.prepared import Prepared, prepare
from alicorn.query.check import check_expression
from alicorn.query.run import Execution
from alicorn.query.sets import docset
from alicorn.query.sets.per_segment import Sets, size

CountDocuments = Callable[[tree.Node], int]
_EXACT = (tree.Term, tree.Phrase, tree.Range, tree.And, tree.Or, tree.Difference, tree.Not)


def check_only(only: tree.Node) -> None:
    """Raise QueryError where an expression of allowed documents does not look at each document alone.

    A `prefix` that is cut to its most frequent terms would let documents through under `not`.
    """
    for node in tree.walk(only):
        if not isinstance(node, _EXACT):
            raise QueryError(
                f"an expression of allowed documents is made of terms, phrases, ranges, and, or, difference and not:"
                f" ({node.operator} ...) may be cut, or depends on other documents",
                node.offset,
            )


class Restricted(Prepared):
    """An expression over a part of the documents. BM25 sums over the words of the expression alone, `scored`."""

    def __init__(self, root: tree.Node, scored: tree.Node, notices: tuple[str, ...]) -> None:
        super().__init__(root, nearest=prepare(root).nearest)
        self._scored = scored
        self.notices = notices

    @property
    def scored(self) -> tree.Node:
        return self._scored


def restrict(
    snapshot: Snapshot, prepared: Prepared, only: tree.Node, count: CountDocuments | None = None
) -> Restricted:
    """The expression over the documents of `only`.

    A fuzzy term with `:below` counts the allowed documents. count: the documents of a tree; None: in the snapshot.
    """
    check_expression(prepare(only).named, snapshot, {})
    count = count or partial(_count, snapshot)
    counts = {node: count(tree.And((tree.Term(node.term), only))) for node in prepared.doubted}
    decided: dict[tree.Fuzzy, tree.Node] = {
        node: tree.Term(node.term, node.offset) if known >= (node.below or 0) else replace(node, below=None)
        for node, known in counts.items()
    }
    asked = tree.with_fuzzy_replaced(prepared.root, decided) if decided else prepared.root
    return Restricted(restricted(asked, only), asked, prepared.notices)


def restricted(node: tree.Node, only: tree.Node) -> tree.Node:
    """The tree whose documents are those that `node` would have in a collection of the documents of `only`."""
    if isinstance(node, tree.StrongOr):  # its shares are of the root
        return replace(node, operands=tuple(restricted(operand, only) for operand in node.operands))
    inner = _inside(node, only)
    if isinstance(inner, tree.Nn) and inner.k is not None:
        return inner
    return tree.And((*inner.operands, only) if isinstance(inner, tree.And) else (inner, only))


def _inside(node: tree.Node, only: tree.Node) -> tree.Node:
    """A tree with the same meaning among the allowed documents; it may have others too."""
    match node:
        case tree.Term() | tree.Prefix() | tree.Fuzzy() | tree.Phrase() | tree.Range():
            return node
        case tree.Nn():
            if node.k is None:
                return node
            return replace(node, filter=only if node.filter is None else restricted(node.filter, only))
        case tree.Not():
            return tree.Not(_inside(node.operand, only))
        case tree.And() | tree.Or() | tree.Difference() | tree.StrongOr():
            return replace(node, operands=tuple(_inside(operand, only) for operand in node.operands))
        case tree.WeakAnd():
            operands = tuple(_inside(operand, only) for operand in node.operands)
            return replace(node, operands=(*operands, only), optional_hits=(*node.optional_hits, None))
        case tree.Apply() | tree.Extract():
            return replace(node, inner=restricted(node.inner, only))
    raise TypeError(f"say here what ({node.operator} ...) is over a part of the collection")


def holds(snapshot: Snapshot, only: tree.Node, view: SegmentView, number: int) -> bool:
    """Whether live document `number` of a segment is among the documents of `only`."""
    alone = np.array([number], dtype=np.uint32)
    within: Sets = [alone if other is view else docset.EMPTY for other in snapshot.segments]
    return size(Execution(snapshot, {}).evaluate(only, within)) > 0


def document_of(snapshot: Snapshot, doc_id: str, only: tree.Node | None) -> dict[str, Any] | None:
    """doc_id, terms, static_rank and stored columns of a live document of `only`; None: there is none of that id."""
    found = snapshot.find(doc_id)
    if found is None or (only is not None and not holds(snapshot, only, *found)):
        return None
    return snapshot.document(*found)


def _count(snapshot: Snapshot, node: tree.Node) -> int:
    return size(Execution(snapshot, {}).run(node))
