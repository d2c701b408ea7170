"""Bitmaps of frequent terms: made when first asked for, kept as long as their segment.

A term in more than one document of 32 takes less room as a bitmap than as its posting list, and the part of a cluster
is a few words, found without a search. All bitmaps of a segment are together no larger than its posting lists.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from alicorn.index import Segment
from alicorn.query.sets import docset
from alicorn.query.sets.docset import Bitmap

_bitmaps: WeakKeyDictionary[Segment, dict[int, Bitmap]] = WeakKeyDictionary()


def frequent(segment: Segment, number: int, postings: np.ndarray) -> Bitmap:
    """The documents of a term, by its number in the segment's dictionary, as a bitmap."""
    made = _bitmaps.get(segment)
    if made is None:
        made = _bitmaps[segment] = {}
    bitmap = made.get(number)
    if bitmap is None:
        bitmap = made[number] = Bitmap(docset.as_words(postings, segment.num_docs), len(postings))
    return bitmap
