"""The terms of a collection that fit an expression, ranked and cut to a number that bounds the work.

Terms are ranked by the number of live documents in the whole collection, so that the same terms are chosen whatever the
segments are. Terms of several segments are joined in Arrow; nothing runs per term in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.index import SegmentView, Snapshot
from alicorn.index.segment.snapshot import Spelled
from alicorn.language import tree
from alicorn.query.expansion.frequency import live_frequencies

_MANY = 1 << 40  # more than documents
_NEVER = np.iinfo(np.int64).max

_OfSegments = dict[SegmentView, np.ndarray]


@dataclass(frozen=True, eq=False)
class Expansion:
    """numbers: of each segment, the chosen terms as ascending int64 numbers of its dictionary.

    edits: of each segment, the edits of these terms from the word of a fuzzy term; empty for a prefix.
    left_out: how many other terms fit and have a live document.
    """

    numbers: Mapping[SegmentView, np.ndarray]
    edits: Mapping[SegmentView, np.ndarray] = field(default_factory=dict)
    left_out: int = 0

    def terms(self) -> pa.StringArray:
        """The chosen terms of all segments, each once, by their UTF-8 bytes."""
        chosen = [view.segment.terms.terms.take(pa.array(numbers)) for view, numbers in self.numbers.items()]
        distinct = pc.unique(pa.concat_arrays(chosen)) if chosen else pa.array([], pa.string())
        return distinct.take(pc.sort_indices(distinct))

    def chosen(self, view: SegmentView, terms: Iterable[str]) -> list[str]:
        """Those of the terms of a document of a segment that were chosen, each once."""
        distinct, numbers = list(dict.fromkeys(terms)), self.numbers[view]
        own = np.array([view.segment.terms.find(term) for term in distinct], dtype=np.int64)
        return [distinct[at] for at in np.flatnonzero(np.isin(own, numbers, assume_unique=True))]


class Fitting(NamedTuple):
    """The terms of a collection that fit an expression, each once: (n,) strings; how many live documents have each, and
    its edits: (n,) int64 each."""

    terms: pa.StringArray
    frequencies: np.ndarray
    edits: np.ndarray

    def chosen(self, limit: int) -> np.ndarray:
        """Which are the `limit` terms of the fewest edits, of these that most live documents have; equal ones by the
        term; all if no more have a live document -> (n,) bool."""
        is_live = self.frequencies > 0
        if np.count_nonzero(is_live) <= limit:
            return np.ones(len(self.terms), dtype=bool)
        return _least(np.where(is_live, self.edits * _MANY - self.frequencies, _NEVER), limit, self.terms)


def expand(snapshot: Snapshot, node: tree.Prefix | tree.Fuzzy) -> Expansion:
    """The terms that a node expands to."""
    if snapshot.whole is not None:
        return of_spelled(snapshot, snapshot.whole.expansions[str(node)])
    if isinstance(node, tree.Fuzzy) and stands_for_itself(snapshot, node):
        alone = {view: _itself(view, node.term) for view in snapshot.segments}
        return Expansion(alone, {view: np.zeros(len(own), dtype=np.int64) for view, own in alone.items()})
    numbers, edits = _fitting(snapshot, node)
    if sum(map(len, numbers.values())) <= node.terms:
        return Expansion(numbers, edits)
    term_of, fitting = _joined(numbers, edits)
    chosen = fitting.chosen(node.terms)
    kept = {view: own[chosen[term_of[view]]] for view, own in numbers.items()}
    kept_edits = {view: own[chosen[term_of[view]]] for view, own in edits.items()}
    num_live = int(np.count_nonzero(fitting.frequencies))
    return Expansion(kept, kept_edits, max(0, num_live - node.terms))


def of_spelled(snapshot: Snapshot, spelled: Spelled) -> Expansion:
    """Those terms of an expansion of the whole collection that the segments of a part of it have."""
    terms, edits = pa.array(spelled.terms, pa.string()).cast(pa.binary()), np.array(spelled.edits, dtype=np.int64)
    numbers, of_terms = {}, {}
    for view in snapshot.segments:
        found = view.segment.terms.find_many(terms)
        order = np.argsort(found, kind="stable")
        order = order[found[order] >= 0]
        numbers[view], of_terms[view] = found[order], edits[order]
    return Expansion(numbers, of_terms, spelled.left_out)


def nearest_spellings(snapshot: Snapshot, node: tree.Fuzzy) -> list[str]:
    """The terms to which a fuzzy term expands, the nearest first, equally near ones by their text."""
    if snapshot.whole is not None:
        spelled = snapshot.whole.expansions[str(node)]
        return [term for _, term in sorted(zip(spelled.edits, spelled.terms, strict=True))]
    fitting = fitting_terms(snapshot, node)
    chosen = np.flatnonzero(fitting.chosen(node.terms) & (fitting.frequencies > 0))
    terms = fitting.terms.take(pa.array(chosen)).to_pylist()
    return [term for _, term in sorted(zip(fitting.edits[chosen].tolist(), terms, strict=True))]


def fitting_terms(snapshot: Snapshot, node: tree.Prefix | tree.Fuzzy) -> Fitting:
    """All terms that fit a node, before any is left out."""
    return _joined(*_fitting(snapshot, node))[1]


def _fitting(snapshot: Snapshot, node: tree.Prefix | tree.Fuzzy) -> tuple[_OfSegments, _OfSegments]:
    """The numbers of the terms that fit in each segment, ascending, and the edits of each; none of a prefix."""
    numbers, edits = {}, {}
    for view in snapshot.segments:
        if isinstance(node, tree.Fuzzy):
            numbers[view], edits[view] = view.segment.terms.near(*node.parts, node.edits)
        else:
            numbers[view] = np.arange(*view.segment.terms.prefix(node.prefix))
    return numbers, edits


def stands_for_itself(snapshot: Snapshot, node: tree.Fuzzy) -> bool:
    """Whether so many live documents have the term itself that it is no misspelling."""
    if node.below is None:
        return False
    found = ((view, _itself(view, node.term)) for view in snapshot.segments)
    return sum(int(live_frequencies(view, own).sum()) for view, own in found) >= node.below


def _itself(view: SegmentView, term: str) -> np.ndarray:
    """The number of a term, if the segment has it."""
    number = view.segment.terms.find(term)
    return np.array([number] if number >= 0 else [], dtype=np.int64)


def _joined(numbers: _OfSegments, edits: _OfSegments) -> tuple[_OfSegments, Fitting]:
    """The places of each segment's terms among the distinct ones of all segments, and these."""
    of_segments = [view.segment.terms.terms.take(pa.array(own)) for view, own in numbers.items()]
    if not of_segments:
        return {}, Fitting(pa.array([], pa.string()), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    if len(of_segments) == 1:
        term_of, terms = {view: np.arange(len(own)) for view, own in numbers.items()}, of_segments[0]
    else:
        encoded = pa.chunked_array(of_segments, pa.string()).combine_chunks().dictionary_encode()
        ends = np.cumsum(list(map(len, of_segments)))
        term_of = dict(zip(numbers, np.split(encoded.indices.to_numpy(), ends[:-1]), strict=True))
        terms = encoded.dictionary
    frequencies, of_term = np.zeros(len(terms), dtype=np.int64), np.zeros(len(terms), dtype=np.int64)
    for view, own in numbers.items():
        frequencies[term_of[view]] += live_frequencies(view, own)  # a segment has a term once
    for view, own in edits.items():
        of_term[term_of[view]] = own
    return term_of, Fitting(terms, frequencies, of_term)


def _least(keys: np.ndarray, limit: int, terms: pa.StringArray) -> np.ndarray:
    """Which terms have the `limit` least keys, ties by the term. limit: fewer than there are -> (n,) bool."""
    last = np.partition(keys, limit - 1)[limit - 1]
    chosen: np.ndarray = keys < last
    tied = np.flatnonzero(keys == last)
    by_term = pc.sort_indices(terms.take(pa.array(tied))).to_numpy()
    chosen[tied[by_term[: limit - int(chosen.sum())]]] = True
    return chosen
