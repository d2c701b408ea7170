"""Documents that have one of the terms to which a node expands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alicorn.language import tree
from alicorn.query.sets.per_segment import Sets, narrow
from alicorn.query.sets.postings import having_any, num_postings

if TYPE_CHECKING:
    from alicorn.query.run import Execution


def evaluate(evaluation: Execution, node: tree.Prefix | tree.Fuzzy, within: Sets | None) -> Sets:
    """A notice says when terms were left out."""
    expansion = evaluation.expansion(node)
    if evaluation.step is not None:
        evaluation.step.terms = expansion.terms()
    numbers = expansion.numbers
    return narrow([having_any(view.segment, own) for view, own in numbers.items()], within)


def estimate(evaluation: Execution, node: tree.Prefix | tree.Fuzzy) -> int:
    numbers = evaluation.expansion(node).numbers
    return min(evaluation.snapshot.num_docs, sum(num_postings(view.segment, own) for view, own in numbers.items()))
