"""Which channels found a document, and with which score? The operands of the `or` that an expression of channels is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from alicorn.index import Snapshot
from alicorn.language.order import Part, Sum
from alicorn.language.prepared import prepare
from alicorn.language.scored import scored_terms
from alicorn.language.tree import Apply, Extract, Node, Or, walk
from alicorn.query import Result
from alicorn.query.check import UnitVectors
from alicorn.query.order.scores import scores_by
from alicorn.query.run import Execution
from alicorn.retrieval.request import Request

Lineage = dict[str, float | None]
"""Channel -> its score of a document that it found: the cosine of its `nn`, else BM25 of its words, else None."""


def found_by(
    snapshot: Snapshot, root: Node, vectors: UnitVectors, segments: np.ndarray, numbers: np.ndarray
) -> np.ndarray:
    """bool (documents, operands): which operands of an `or` have some documents, whatever its order and limit."""
    evaluation = Execution(snapshot, vectors, top=root)
    evaluation.run(root)
    return evaluation.found_by(segments, numbers)


def lineage(result: Result, request: Request) -> list[Lineage]:
    """Of each hit of a request with channels, those that found it."""
    hits: list[Lineage] = [{} for _ in result.numbers]
    if not hits:
        return hits
    assert isinstance(request.root, Or)
    assert result.found_by is not None
    evaluation = Execution(result.snapshot, request.vectors)
    for at, (name, operand) in enumerate(zip(request.channels, request.root.operands, strict=True)):
        rows = np.flatnonzero(result.found_by[:, at])
        scores = _scores(evaluation, operand, result.segments[rows], result.numbers[rows])
        for row, score in zip(rows.tolist(), scores, strict=True):
            hits[row][name] = score
    return hits


def own_order(operand: Node) -> Literal["nn", "bm25"] | None:
    """By which score a channel finds: that of its `nn`, else BM25 of its words. Words of other documents are none."""
    if prepare(operand).has_nn:
        return "nn"
    follows_others = any(isinstance(node, Apply | Extract) for node in walk(operand))
    return "bm25" if scored_terms(operand) and not follows_others else None


def _scores(evaluation: Execution, operand: Node, segments: np.ndarray, numbers: np.ndarray) -> Sequence[float | None]:
    """Of documents of a channel."""
    order = own_order(operand)
    if order is None:
        return [None] * len(numbers)
    rows = np.lexsort((numbers, segments))
    views = range(len(evaluation.snapshot.segments))
    parts = [numbers[rows][segments[rows] == at].astype(np.uint32) for at in views]
    scores = np.empty(len(numbers))
    scores[rows] = np.concatenate(scores_by(evaluation, prepare(operand), Sum((Part(order),)), parts))
    return [None if score == -np.inf else float(score) for score in scores]
