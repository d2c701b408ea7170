"""One `nn` over a collection of one segment: what stays the same from request to request, and the loops that answer it.

few.py compares all documents, where few have the words of the filter; loop/ searches clusters, which it chooses, and
finds the documents of words itself. The answer is that of nearest.py in the clusters of probe.py, scan.py and
recall.py, which serve several segments and `explain`.

A request passes through as few Python functions as possible. Each takes 0.1 us, but 2 to 3 us when other programs have
emptied the caches (decision 101).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.language.prepared import Words
from alicorn.quantization import FLOAT32, first_scan
from alicorn.query.nn import few
from alicorn.query.nn.few import FEW, NO_BOUND, NearestEach, Wanted, arrays_of
from alicorn.query.nn.loop import kernel
from alicorn.query.nn.loop.arguments import (
    ALL,
    GIVEN,
    LISTED,
    LOOKED,
    MARKED,
    NO_BITS,
    NO_CLUSTERS,
    NO_ROWS,
    NO_TERMS,
    NONE_DELETED,
    WITH_TERMS,
    ClusterChoice,
    Having,
    Limits,
    Query,
)
from alicorn.query.nn.probe import slack_by_codes
from alicorn.query.nn.recall import slack_of
from alicorn.query.nn.scan import live_rows
from alicorn.query.sets import docset
from alicorn.query.sets.docset import Bitmap, DocSet
from alicorn.query.text.in_all import NO_SETS, as_lists
from alicorn.query.wanted import awaited

FoundNearest = tuple[np.ndarray, np.ndarray, int, int]
"""The numbers and scores of the nearest documents, nearest first, uint32 and float32; how many there are in all; and in
how many clusters they were searched, 0 for all."""


class _Allowed(NamedTuple):
    """Fields of Limits: the rows that may be in the answer."""

    mode: int
    rows: np.ndarray
    num_rows: int
    bits: np.ndarray
    having: Having


_First = tuple[int, int, int, int, float, float, float]
_FIRST_SET, _ONE = np.array([-2]), np.array([1])  # the number of the first set, as of a term; where the terms end
_ALL = _Allowed(ALL, NO_ROWS, 0, NO_BITS, NO_TERMS)
_MOST_KEPT, _MOST_NODES = 256, 64
_make = tuple.__new__  # of a NamedTuple: its own constructor is one more Python function


class SegmentSearch:
    """An `nn`, whatever its filter. It is kept as long as its snapshot."""

    def __init__(self, snapshot: Snapshot, nn: tree.Nn) -> None:
        (view,), quantizer = snapshot.segments, snapshot.quantizers[nn.key]
        segment, block = view.segment, view.segment.embeddings[nn.key]
        self.dim = quantizer.dim
        self.nodes: list[tree.Nn] = []
        self._is_radius = nn.radius is not None
        self.wanted = Wanted.of(snapshot, nn)
        self._view, self._block = view, block
        self._find, self._starts = segment.terms.find, segment.posting_starts
        self._exact_query = None if quantizer.stored == FLOAT32 else quantizer.exact_query
        self._arrays = arrays_of(view, nn.key)
        self._compare = few.loop_for(self._arrays.stored.__class__)
        self._first = None if nn.k is None or nn.in_all_clusters or not snapshot.num_docs else _first(snapshot, nn)
        self._chosen = self._first
        if nn.radius is not None and nn.nprobe is not None and nn.nprobe < quantizer.num_clusters:
            self._chosen = _nearest_clusters(nn.nprobe)
        self._exact_to = nn.scan or (0 if nn.recall is None else FEW)
        self._num_clusters = quantizer.num_clusters
        self._coarse, self._estimates = quantizer.coarse, quantizer.coarse.estimates
        self._prepare, self._slack = quantizer.codec.prepare, slack_by_codes(quantizer)
        self._search = kernel.loop_for(block.located.stored.__class__, quantizer.codec.Query)
        deleted = NONE_DELETED if view.deleted is None else view.deleted
        k = 0 if nn.k is None else min(nn.k, snapshot.num_docs)
        least = NO_BOUND if nn.radius is None else 1.0 - nn.radius
        self._limits = deleted, len(deleted), k, least, segment.id_order
        live = NO_BITS if view.deleted is None else view.live_words
        self._live = live, len(live)
        self.of_all = None if self._first is None else self._allowed(None)

    def of_words(self, query: np.ndarray, words: Words, limit: int) -> FoundNearest | None:
        """The nearest documents that have some words, or of all documents where there is no word; at least the first
        `limit`. query: (dim,) float32 of unit length. None: they are to be found as a set, or in all clusters."""
        terms = words.terms
        if not terms:
            return None if self.of_all is None else self.in_clusters(query, self.of_all)
        numbers = list(map(self._find, terms))
        wanted, num_terms = self.wanted, len(terms)
        if (
            wanted is not None
            and words.all
            and (num_terms > 1 or self._num_with(numbers[0]) <= wanted.most + self._arrays.num_missing)
        ):  # of one term, the loop would only find out the same
            found = self._among_few(query, np.array(numbers), np.array((num_terms,)), NO_SETS, limit)
            if found is not None:
                return found
        if self._first is None or not self._block.identity:
            return None
        if min(numbers) < 0:
            numbers = [number for number in numbers if number >= 0]
            if words.all or not numbers:
                return None
        if not words.all and sum(map(self._num_with, numbers)) <= self._exact_to:
            return None
        having = Having(np.array(numbers), len(numbers), int(not words.all), self._arrays.postings, *self._live)
        return self.in_clusters(query, _Allowed(WITH_TERMS, NO_ROWS, 0, NO_BITS, having))

    def of_set(self, query: np.ndarray, documents: DocSet, limit: int) -> FoundNearest | None:
        """The same of a set of documents, if it is of few."""
        if self.wanted is None or docset.size(documents) > self.wanted.most:
            return None
        if docset.size(documents) == 0:
            return docset.EMPTY, np.empty(0, dtype=np.float32), 0, 0
        known = documents if isinstance(documents, Bitmap) else docset.as_array(documents)
        return self._among_few(query, _FIRST_SET, _ONE, as_lists((known,)), limit)

    def among(self, query: np.ndarray, documents: DocSet | None) -> FoundNearest | None:
        """The k nearest of the allowed live documents, None for all, in some clusters; None where the loop does not
        serve."""
        if self._first is None:
            return None
        allowed = self.of_all if documents is None else self._allowed(documents)
        return None if allowed is None else self.in_clusters(query, allowed)

    def within(self, query: np.ndarray) -> np.ndarray:
        """All live documents within the radius, in as many clusters as `:nprobe` says: uint32, ascending."""
        return np.sort(self.in_clusters(query, _ALL)[0])

    def documents(self, query: np.ndarray) -> np.ndarray | None:
        """The documents of an `nn` without a filter, in any order: uint32; None where the loop does not serve."""
        allowed = _ALL if self._is_radius else self.of_all
        return None if allowed is None else self.in_clusters(query, allowed)[0]

    def _num_with(self, number: int) -> int:
        return int(self._starts[number + 1] - self._starts[number]) if number >= 0 else 0

    def _allowed(self, documents: DocSet | None) -> _Allowed | None:
        """None where they are so few that all are compared, which nearest.py does faster."""
        rows = live_rows(self._view, self._block, documents)
        count = len(self._block.docs) if rows is None else docset.size(rows)
        if count <= self._exact_to:
            return None
        if rows is None:
            return _ALL
        if isinstance(rows, Bitmap):
            return _Allowed(MARKED, NO_ROWS, count, rows.words, NO_TERMS)
        return _Allowed(LISTED, docset.as_array(rows), count, NO_BITS, NO_TERMS)

    def _among_few(
        self, query: np.ndarray, terms: np.ndarray, stops: np.ndarray, sets: np.ndarray, limit: int
    ) -> FoundNearest | None:
        """The documents of some terms, and sets, that are compared; None if they may be more than are few."""
        assert self.wanted is not None
        _, _, k, most, least = self.wanted
        first = k or min(limit, few.MOST)
        numbers, scores = np.empty(first, dtype=np.uint32), np.empty(first, dtype=np.float32)
        counts = np.empty(1, dtype=np.int64)
        exact = query if self._exact_query is None else self._exact_query(query)
        found = _make(NearestEach, (numbers, scores, counts))
        self._compare(self._arrays, exact, terms, stops, sets, most, first, least, found)
        count = int(counts[0])
        if count < 0:
            return None
        if count < first:
            return numbers[:count], scores[:count], count, 0
        return numbers, scores, k or count, 0

    def in_clusters(self, query: np.ndarray, allowed: _Allowed) -> FoundNearest:
        """The k nearest of the allowed documents, in clusters that the loop chooses; or those within the radius."""
        clusters, choice = NO_CLUSTERS, GIVEN
        if self._chosen is not None:
            cosines, off = self._estimates(query)
            choice = _make(ClusterChoice, (*self._chosen, query, self.dim, self._coarse.centroids, float(off)))
        else:
            clusters, cosines = np.arange(self._num_clusters), self._coarse.cosines(query)
        code = self._prepare(query)
        exact = query if self._exact_query is None else self._exact_query(query)
        num_clusters = len(cosines)
        by_codes = _make(Query, (exact, code, cosines, num_clusters, self._slack + code.rounding))
        waiting = awaited()
        flag = 0 if waiting is None else waiting.address
        mode, rows, num_rows, bits, having = allowed
        given = clusters, len(clusters), *self._limits, having, choice, flag
        limits = _make(Limits, (mode, rows, num_rows, bits, *given))
        counters = np.zeros(6, dtype=np.int64)
        best, scores = self._search(self._block.located, by_codes, limits, counters)
        if waiting is not None:
            waiting.check()
        numbers = best if self._block.identity else self._block.docs[best]
        return numbers, scores, len(numbers), int(counters[LOOKED])


def segment_search(snapshot: Snapshot, nn: tree.Nn) -> SegmentSearch | None:
    """The search of an `nn` that fits the snapshot; None for several segments."""
    if len(snapshot.segments) != 1:
        return None
    kept = snapshot.kept
    asked = nn.key, nn.vector, nn.k, nn.radius, nn.nprobe, nn.scan, nn.recall  # all but the filter
    known = kept.get(asked)
    if known is None:
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        known = kept[asked] = SegmentSearch(snapshot, nn)
    assert isinstance(known, SegmentSearch)
    return known


def remembered_search(snapshot: Snapshot, nn: tree.Nn) -> SegmentSearch | None:
    """The same, which `Snapshot.kept` has under the id of this very node, too, from then on. It is for those that many
    texts of one form share."""
    known = segment_search(snapshot, nn)
    if known is not None and snapshot.kept.get(id(nn)) is not known and len(known.nodes) < _MOST_NODES:
        known.nodes.append(nn)  # as long as it is kept, no other object has its id
        snapshot.kept[id(nn)] = known
    return known


def _nearest_clusters(nprobe: int) -> _First:
    """So many of the nearest, and no others."""
    return nprobe, 0, 0, 1, 0.0, 0.0, 0.0


def _first(snapshot: Snapshot, nn: tree.Nn) -> _First | None:
    """The first fields of a ClusterChoice; None where all clusters are to be searched."""
    quantizer = snapshot.quantizers[nn.key]
    if nn.nprobe is not None:
        return _nearest_clusters(nn.nprobe) if nn.nprobe < quantizer.num_clusters else None
    if nn.scan is not None:
        return 0, nn.scan, 0, 1, 0.0, 0.0, 0.0
    assert nn.k is not None
    assert nn.recall is not None
    slack = slack_of(snapshot, nn.key, nn.k, nn.recall)
    if slack is None:
        return None
    assert quantizer.calibration is not None
    return 0, first_scan(nn.k), FEW, 2, quantizer.calibration.spread, slack.slope, slack.base
