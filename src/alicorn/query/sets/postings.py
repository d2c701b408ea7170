"""The documents that have any of several terms: the union of posting lists."""

from __future__ import annotations

import numpy as np

from alicorn.index import Segment
from alicorn.query.sets import docset, kernels
from alicorn.query.sets.docset import EMPTY, DocSet


def having_any(segment: Segment, numbers: np.ndarray) -> DocSet:
    """The documents of a segment that have any of the terms. numbers: (n,) of its dictionary, in any order."""
    if not len(numbers):
        return EMPTY
    starts, stops = segment.posting_starts[numbers], segment.posting_starts[numbers + 1]
    if len(numbers) == 1:
        return segment.postings[starts[0] : stops[0]]
    postings = np.empty(int((stops - starts).sum()), dtype=np.uint32)
    kernels.join_lists(segment.postings, starts, stops, postings)
    return docset.from_unsorted(postings, segment.num_docs)


def num_postings(segment: Segment, numbers: np.ndarray) -> int:
    """At least as many as documents."""
    return int((segment.posting_starts[numbers + 1] - segment.posting_starts[numbers]).sum())
