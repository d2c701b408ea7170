"""The first documents of a set by static rank, without listing the set.

A dense set is met soon on a walk of the segment's documents from the best rank down, each tested by one bit: 10 of a
set that holds half of the documents take some twenty tests. A sparse set, or one whose members come late in that order,
is read once and its best places are kept.
"""

import numpy as np

from alicorn.compiled import kernel, subroutine
from alicorn.index import Segment
from alicorn.query.sets import docset
from alicorn.query.sets.docset import Bitmap, DocSet

_TESTS = 8  # steps of a walk for each that a set spread evenly would need; beyond, its members come late
_FEW = 256  # above, the best places are found by a partition, not one by one


def first_by_static_rank(segment: Segment, documents: DocSet, limit: int) -> np.ndarray:
    """The `limit` first of a set by (static rank falling, doc_id) -> document numbers, uint32, in that order."""
    limit = min(limit, docset.size(documents))
    if limit == 0:
        return docset.EMPTY
    out = np.empty(limit, dtype=np.uint32)
    if isinstance(documents, Bitmap):
        num_tests = min(segment.num_docs, _TESTS * limit * segment.num_docs // documents.count)
        if _walk(segment.by_static_rank, documents.words, num_tests, out) == limit:
            return out
    if limit > _FEW:
        return _partitioned(segment, docset.as_array(documents), limit)
    if isinstance(documents, Bitmap):
        _best_of_bits(documents.words, segment.static_order, out)
    else:
        _best_of_array(docset.as_array(documents), segment.static_order, out)
    return out


def _partitioned(segment: Segment, numbers: np.ndarray, limit: int) -> np.ndarray:
    places = segment.static_order[numbers]
    if limit < len(numbers):
        kept = np.argpartition(places, limit)[:limit]
        numbers, places = numbers[kept], places[kept]
    return numbers[np.argsort(places)]


@kernel("int64(uint32[::1], uint64[::1], int64, uint32[::1])")
def _walk(best_first, words, num_tests, out):
    """Fill `out` with the first of `best_first` whose bit is set -> how many; at most num_tests are tested."""
    found = 0
    for i in range(num_tests):
        document = best_first[i]
        if (words[document >> np.uint32(6)] >> np.uint64(document & np.uint32(63))) & np.uint64(1):
            out[found] = document
            found += 1
            if found == len(out):
                break
    return found


@subroutine
def _keep(document, place, found, places, out):
    """Put a document among the `found` best, which are in order of their places -> how many are kept now."""
    at = min(found, len(out) - 1)
    while at > 0 and places[at - 1] > place:
        out[at], places[at] = out[at - 1], places[at - 1]
        at -= 1
    out[at], places[at] = document, place
    return min(found + 1, len(out))


@kernel("void(uint32[::1], uint32[::1], uint32[::1])")
def _best_of_array(documents, order, out):
    """The len(out) documents with the smallest places in `order`, in their order."""
    places = np.empty(len(out), dtype=np.uint32)
    found = 0
    for document in documents:
        place = order[document]
        if found < len(out) or place < places[found - 1]:
            found = _keep(document, place, found, places, out)


@kernel("void(uint64[::1], uint32[::1], uint32[::1])")
def _best_of_bits(words, order, out):
    """The same of the documents whose bit is set."""
    places = np.empty(len(out), dtype=np.uint32)
    found = 0
    for i in range(len(words)):
        word = words[i]
        document = np.uint32(64 * i)
        while word != np.uint64(0):
            if word & np.uint64(1):
                place = order[document]
                if found < len(out) or place < places[found - 1]:
                    found = _keep(document, place, found, places, out)
            word >>= np.uint64(1)
            document += np.uint32(1)
