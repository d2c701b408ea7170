"""Set algebra over a snapshot: a set of documents for each of its segments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from alicorn.index import Snapshot
from alicorn.query.sets import docset
from alicorn.query.sets.docset import Bitmap, DocSet

Sets = list[DocSet]  # one a segment
_MANY = 32  # documents for each live one, as in docset.py


def narrow(found: Sets, within: Sets | None) -> Sets:
    """The documents of both; None for `within`: all."""
    return found if within is None else [docset.intersect(a, b) for a, b in zip(found, within, strict=True)]


def subtract(first: Sets, second: Sets) -> Sets:
    """The documents of the first that are not in the second."""
    return [docset.subtract(a, b) for a, b in zip(first, second, strict=True)]


def unite(snapshot: Snapshot, parts: Sequence[Sets]) -> Sets:
    """The documents of any part; of no part, none."""
    views = snapshot.segments
    return [docset.unite([part[at] for part in parts], view.segment.num_docs) for at, view in enumerate(views)]


def live(snapshot: Snapshot, found: Sets) -> Sets:
    """Without the deleted documents."""
    for view in snapshot.segments:
        if view.deleted is not None:
            break
    else:
        return found
    return [
        documents if view.deleted is None else docset.intersect(documents, Bitmap(view.live_words, view.num_live))
        for documents, view in zip(found, snapshot.segments, strict=True)
    ]


def few_live(snapshot: Snapshot) -> Sets | None:
    """The live documents, where these are so few that an expression is found sooner among them; else None."""
    num_docs = num_live = 0
    for view in snapshot.segments:
        num_docs += view.segment.num_docs
        num_live += view.num_live
    return None if num_docs <= _MANY * num_live else [view.live_numbers for view in snapshot.segments]


def size(found: Sets) -> int:
    """How many documents, deleted ones included."""
    return sum(map(docset.size, found))


def ids_of(snapshot: Snapshot, segments: np.ndarray, numbers: np.ndarray) -> pa.StringArray:
    """The doc_ids of documents in their order. segments, numbers: (n,) integers."""
    views = snapshot.segments
    if len(views) == 1:
        return views[0].segment.doc_ids.take(pa.array(numbers))
    order = np.argsort(segments, kind="stable")
    sorted_ids = [view.segment.doc_ids.take(pa.array(numbers[segments == at])) for at, view in enumerate(views)]
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return pa.chunked_array(sorted_ids, pa.string()).combine_chunks().take(pa.array(places))
