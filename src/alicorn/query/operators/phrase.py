"""Documents that have words in an order, or near it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from alicorn.errors import QueryError
from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.query.operators import term
from alicorn.query.operators.columns import shown
from alicorn.query.sets.per_segment import Sets
from alicorn.query.text.in_order import in_order

if TYPE_CHECKING:
    from alicorn.query.run import Execution


def evaluate(evaluation: Execution, node: tree.Phrase, within: Sets | None) -> Sets:
    """One word is a term."""
    if len(node.words) == 1:
        return term.evaluate(evaluation, tree.Term(node.terms[0]), within)
    found = [
        in_order(view.segment, node.prefix, node.terms, node.slop, None if within is None else within[at])
        for at, view in enumerate(evaluation.snapshot.segments)
    ]
    if evaluation.step is not None:
        evaluation.step.positions_read = sum(looked for _, looked in found)
    return [documents for documents, _ in found]


def estimate(evaluation: Execution, node: tree.Phrase) -> int:
    """The documents of the rarest word."""
    return min(term.estimate(evaluation, tree.Term(one)) for one in dict.fromkeys(node.terms))


def check(node: tree.Phrase, snapshot: Snapshot, _: Mapping[str, np.ndarray]) -> None:
    if node.prefix in snapshot.positions:
        return
    prefix, kept = shown(node.prefix), ", ".join(snapshot.positions) or "none"
    raise QueryError(
        f"(phrase ...) needs the positions of the terms of prefix {prefix}; this collection keeps those of: {kept}."
        f" Create a collection with positions=[{prefix}], or set `positions: true` in the vertical's analysis of that"
        " prefix, and publish the documents into a new collection",
        node.offset,
    )
