"""The documents that have any of several terms: the union of posting lists."""

from __future__ import annotations

import numpy as np

from alicorn.index import Segment
from alicorn.index.segment.parts.frequent import is_dense
from alicorn.query.sets import docset, kernels
from alicorn.query.sets.docset import EMPTY, Bitmap, DocSet


def having_any(segment: Segment, numbers: np.ndarray) -> DocSet:
    """The documents of a segment that have any of the terms. numbers: (n,) of its dictionary, in any order."""
    if not len(numbers):
        return EMPTY
    starts, stops = segment.posting_starts[numbers], segment.posting_starts[numbers + 1]
    if len(numbers) == 1:
        return segment.postings[starts[0] : stops[0]]
    total = int((stops - starts).sum())
    if is_dense(total, segment.num_docs):
        words = np.zeros((segment.num_docs + 63) // 64, dtype=np.uint64)
        kernels.set_bits_of_lists(words, segment.postings, starts, stops)
        return Bitmap.of_words(words)
    postings = np.empty(total, dtype=np.uint32)
    kernels.join_lists(segment.postings, starts, stops, postings)
    return docset.distinct(postings)


def num_postings(segment: Segment, numbers: np.ndarray) -> int:
    """At least as many as documents."""
    return int((segment.posting_starts[numbers + 1] - segment.posting_starts[numbers]).sum())
