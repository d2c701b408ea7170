"""Documents that have words in an order, or near it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from alicorn.errors import QueryError
from alicorn.index import Segment, Snapshot
from alicorn.index.segment.parts.positions import MANY
from alicorn.language import tree
from alicorn.query.operators import term
from alicorn.query.operators.columns import shown
from alicorn.query.sets import docset
from alicorn.query.sets.docset import DocSet
from alicorn.query.sets.per_segment import Sets
from alicorn.query.text.in_order import in_order

if TYPE_CHECKING:
    from alicorn.query.run import Execution


def evaluate(evaluation: Execution, node: tree.Phrase, within: Sets | None) -> Sets:
    """One word is a term."""
    if len(node.words) == 1:
        return term.evaluate(evaluation, tree.Term(node.terms[0]), within)
    repeated = {one: times for one, times in Counter(node.terms).items() if times > 1}
    found = []
    for at, view in enumerate(evaluation.snapshot.segments):
        inside = _often_enough(view.segment, repeated, None if within is None else within[at])
        found.append(in_order(view.segment, node.prefix, node.terms, node.slop, inside))
    if evaluation.step is not None:
        evaluation.step.positions_read = sum(looked for _, looked in found)
    return [documents for documents, _ in found]


def _often_enough(segment: Segment, repeated: Mapping[str, int], inside: DocSet | None) -> DocSet | None:
    """The documents that have each repeated term as often, so that a phrase of ninety equal words looks at few."""
    for one, times in repeated.items():
        of_term = segment.span_of(one)
        often = segment.postings[of_term][segment.frequencies[of_term] >= min(times, MANY)]
        inside = often if inside is None else docset.intersect(often, inside)
    return inside


def estimate(evaluation: Execution, node: tree.Phrase) -> int:
    """The documents of the rarest word."""
    return min(term.estimate(evaluation, tree.Term(one)) for one in dict.fromkeys(node.terms))


def check(node: tree.Phrase, snapshot: Snapshot, _: Mapping[str, np.ndarray]) -> None:
    if node.prefix in snapshot.positions:
        return
    prefix, kept = shown(node.prefix), ", ".join(snapshot.positions) or "none"
    raise QueryError(
        f"(phrase ...) needs the positions of the terms of prefix {prefix}; this collection keeps those of: {kept}."
        " Add them (Collection.add_positions), or set `positions: true` in the vertical's analysis of that prefix, and"
        " publish the documents into a new collection",
        node.offset,
    )
