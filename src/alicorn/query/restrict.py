"""A part of a collection: the snapshot in which all other documents are deleted.

Everything that is counted or chosen over it - frequencies and lengths of BM25, the terms of a `prefix` and a `fuzzy`,
neighbours, facets, notices - is of live documents, so that an answer follows from the documents of the part alone. What
stays of the others is where the clusters are in which an `nn` with `:nprobe`, `:scan` or `:recall` looks.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from alicorn.errors import QueryError
from alicorn.index import Segment, SegmentView, Snapshot
from alicorn.language import tree
from alicorn.language.prepared import prepare
from alicorn.query.check import check_expression
from alicorn.query.nn.filters import OF_EACH_DOCUMENT
from alicorn.query.run import Execution
from alicorn.query.sets import docset

_MOST_BYTES = 256 << 20  # of masks, one byte a document: of so many expressions, the ones that were last asked for
_MOST_EXPRESSIONS = 10_000


def check_only(only: tree.Node) -> None:
    """Raise QueryError where an expression of allowed documents does not look at each document alone.

    A `prefix` that is cut to its most frequent terms would let documents through under `not`.
    """
    for node in tree.walk(only):
        if not isinstance(node, OF_EACH_DOCUMENT):
            raise QueryError(
                f"an expression of allowed documents is made of terms, phrases, ranges, and, or, difference and not:"
                f" ({node.operator} ...) may be cut, or depends on other documents",
                node.offset,
            )


def restricted(snapshot: Snapshot, only: tree.Node | None) -> Snapshot:
    """The snapshot of the documents of `only`; None: of all. Segments and addresses are the same.

    Raises QueryError for a column that the collection does not have.
    """
    if only is None:
        return snapshot
    check_expression(prepare(only).named, snapshot, {})
    return _part_of(only, snapshot.num_docs).of_snapshot(snapshot)


def document_of(snapshot: Snapshot, doc_id: str, only: tree.Node | None) -> dict[str, Any] | None:
    """doc_id, terms, static_rank and stored columns of a live document of `only`; None: there is none of that id."""
    found = restricted(snapshot, only).find(doc_id)
    return None if found is None else snapshot.document(*found)


class _Part:
    """The documents of one expression, found once in each segment, and kept as long as the segment."""

    def __init__(self, only: tree.Node) -> None:
        self._only = only
        self._outside: WeakKeyDictionary[Segment, np.ndarray] = WeakKeyDictionary()
        self._views: WeakKeyDictionary[SegmentView, SegmentView] = WeakKeyDictionary()
        self._snapshots: WeakKeyDictionary[Snapshot, Snapshot] = WeakKeyDictionary()

    def of_snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Kept as long as the snapshot, as statistics are kept with it."""
        found = self._snapshots.get(snapshot)
        if found is None:
            views = tuple(self._of_view(snapshot, view) for view in snapshot.segments)
            found = replace(snapshot, segments=views, num_docs=sum(view.num_live for view in views))
            self._snapshots[snapshot] = found
        return found

    def _of_view(self, snapshot: Snapshot, view: SegmentView) -> SegmentView:
        found = self._views.get(view)
        if found is None:
            outside = self._outside.get(view.segment)
            if outside is None:
                outside = self._outside[view.segment] = self._outside_in(snapshot, view.segment)
            found = SegmentView(view.segment, outside if view.deleted is None else outside | view.deleted)
            self._views[view] = found
        return found

    def _outside_in(self, snapshot: Snapshot, segment: Segment) -> np.ndarray:
        """Which documents of a segment are not of the part: bool (num_docs,)."""
        alone = replace(snapshot, segments=(SegmentView(segment),), num_docs=segment.num_docs, whole=None)
        (inside,) = Execution(alone, {}).evaluate(self._only, None)
        words = docset.as_words(inside, segment.num_docs)
        bits = np.unpackbits(words.view(np.uint8), count=segment.num_docs, bitorder="little")
        return np.asarray(bits == 0)


_parts: OrderedDict[tree.Node, _Part] = OrderedDict()
_lock = Lock()


def _part_of(only: tree.Node, num_docs: int) -> _Part:
    """num_docs: of the collection, which decide how many expressions are remembered."""
    with _lock:
        part = _parts.pop(only, None) or _Part(only)
        _parts[only] = part
        while len(_parts) > 1 and len(_parts) > min(_MOST_EXPRESSIONS, _MOST_BYTES // max(num_docs, 1)):
            _parts.popitem(last=False)
        return part
