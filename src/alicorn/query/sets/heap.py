"""The best of many documents by score: a heap with the worst at its root, ties to the smaller doc_id.

Its arrays are handed on as `addresses`, which costs a loop nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alicorn.compiled import subroutine
from alicorn.quantization.kernels.intrinsics import doubles_at, numbers_at


class Heap(NamedTuple):
    """scores: float64; id_ranks: uint32, of the doc_ids; documents: uint32. (room,) each."""

    scores: np.ndarray
    id_ranks: np.ndarray
    documents: np.ndarray
    room: int


@subroutine
def is_worse(score, id_rank, other_score, other_id_rank):
    return score < other_score or (score == other_score and id_rank > other_id_rank)


@subroutine
def push(heap, room, found, score, id_rank, document):
    """Put a document into a heap of `found` documents -> how many it holds then.

    A full one, of `room` documents, loses its root, which must be worse than the document.
    """
    scores, id_ranks, documents = doubles_at(heap.scores), numbers_at(heap.id_ranks), numbers_at(heap.documents)
    if found < room:
        at = found
        while at > 0:
            parent = (at - 1) // 2
            if not is_worse(score, id_rank, scores[parent], id_ranks[parent]):
                break
            scores[at], id_ranks[at], documents[at] = scores[parent], id_ranks[parent], documents[parent]
            at = parent
        scores[at], id_ranks[at], documents[at] = score, id_rank, document
        return found + 1
    at = 0
    while True:
        child = 2 * at + 1
        if child >= found:
            break
        if child + 1 < found and is_worse(scores[child + 1], id_ranks[child + 1], scores[child], id_ranks[child]):
            child += 1
        if not is_worse(scores[child], id_ranks[child], score, id_rank):
            break
        scores[at], id_ranks[at], documents[at] = scores[child], id_ranks[child], documents[child]
        at = child
    scores[at], id_ranks[at], documents[at] = score, id_rank, document
    return found


@subroutine
def sort_in_place(heap, found):
    """Put the documents of a heap in order, the best first."""
    scores, id_ranks, documents = doubles_at(heap.scores), numbers_at(heap.id_ranks), numbers_at(heap.documents)
    for last in range(found - 1, 0, -1):
        score, id_rank, document = scores[last], id_ranks[last], documents[last]
        scores[last], id_ranks[last], documents[last] = scores[0], id_ranks[0], documents[0]
        push(heap, last, last, score, id_rank, document)
