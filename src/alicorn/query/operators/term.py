"""Documents that have a term: its posting list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alicorn.index import Segment
from alicorn.language import tree
from alicorn.query.sets.docset import EMPTY, Bitmap, DocSet
from alicorn.query.sets.per_segment import Sets, narrow

if TYPE_CHECKING:
    from alicorn.query.run import Execution


def evaluate(evaluation: Execution, node: tree.Term, within: Sets | None) -> Sets:
    return narrow([documents_of(view.segment, node.term) for view in evaluation.snapshot.segments], within)


def estimate(evaluation: Execution, node: tree.Term) -> int:
    return sum([view.segment.num_with(node.term) for view in evaluation.snapshot.segments])


def documents_of(segment: Segment, term: str) -> DocSet:
    number = segment.terms.find(term)
    if number < 0:
        return EMPTY
    postings = segment.postings[segment.posting_starts[number] : segment.posting_starts[number + 1]]
    words = segment.frequent.words_of(number)
    return postings if words is None else Bitmap(words, len(postings))
