"""The best of many documents by score: a heap with the worst at its root, ties to the smaller doc_id."""

from alicorn.compiled import subroutine


@subroutine
def is_worse(score, id_rank, other_score, other_id_rank):
    return score < other_score or (score == other_score and id_rank > other_id_rank)


@subroutine
def push(found, score, id_rank, document, scores, id_ranks, documents):
    """Put a document into a heap of `found` documents -> how many it holds then.

    A full one, of len(scores), loses its root, which must be worse than the document. id_rank: of its doc_id.
    """
    if found < len(scores):
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
def sort_in_place(found, scores, id_ranks, documents):
    """Put the documents of a heap in order, the best first."""
    for last in range(found - 1, 0, -1):
        score, id_rank, document = scores[last], id_ranks[last], documents[last]
        scores[last], id_ranks[last], documents[last] = scores[0], id_ranks[0], documents[0]
        push(last, score, id_rank, document, scores[:last], id_ranks[:last], documents[:last])
