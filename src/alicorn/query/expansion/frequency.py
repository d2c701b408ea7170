"""How many live documents have a term, for each of many terms of a segment."""

from __future__ import annotations

import numpy as np

from alicorn.compiled import kernel
from alicorn.index import SegmentView


def live_frequencies(view: SegmentView, numbers: np.ndarray) -> np.ndarray:
    """numbers: (n,) int64 of the segment's dictionary -> (n,) int64."""
    starts, stops = view.segment.posting_starts[numbers], view.segment.posting_starts[numbers + 1]
    counts: np.ndarray = stops - starts
    if view.deleted is not None:
        _count_live(view.live_words, view.segment.postings, starts, stops, counts)
    return counts


@kernel("void(uint64[::1], uint32[::1], int64[::1], int64[::1], int64[::1])")
def _count_live(live_words, postings, starts, stops, counts):
    """counts[i] = how many of postings[starts[i]:stops[i]] have their bit set."""
    for i in range(len(counts)):
        found = np.uint64(0)
        for at in range(starts[i], stops[i]):
            document = np.uint64(postings[at])
            found += (live_words[document >> np.uint64(6)] >> (document & np.uint64(63))) & np.uint64(1)
        counts[i] = found
