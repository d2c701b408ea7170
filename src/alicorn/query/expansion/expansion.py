"""The terms of a collection that fit an expression, ranked and cut to a number that bounds the work.

Terms are ranked by the number of live documents in the whole collection, so that the same terms are chosen whatever the
segments are. Terms of several segments are joined in Arrow; nothing runs per term in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.index import SegmentView, Snapshot
from alicorn.language import tree
from alicorn.query.expansion.frequency import live_frequencies

_MANY = 1 << 40  # more than documents
_NEVER = np.iinfo(np.int64).max


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


def expand(snapshot: Snapshot, node: tree.Prefix | tree.Fuzzy) -> Expansion:
    """The terms that a node expands to."""
    if isinstance(node, tree.Fuzzy) and stands_for_itself(snapshot, node):
        alone = {view: _itself(view, node.term) for view in snapshot.segments}
        return Expansion(alone, {view: np.zeros(len(own), dtype=np.int64) for view, own in alone.items()})
    fitting, edits = {}, {}
    for view in snapshot.segments:
        if isinstance(node, tree.Fuzzy):
            fitting[view], edits[view] = view.segment.terms.near(*node.parts, node.edits)
        else:
            fitting[view] = np.arange(*view.segment.terms.prefix(node.prefix))
    if sum(map(len, fitting.values())) <= node.terms:
        return Expansion(fitting, edits)
    return _first(fitting, edits, node.terms)


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


def _first(fitting: Mapping[SegmentView, np.ndarray], edits: Mapping[SegmentView, np.ndarray], limit: int) -> Expansion:
    """The `limit` terms of the fewest edits, of these that most live documents have; equal ones by the term.

    edits: those of the terms of each segment, if they differ.
    """
    term_of, terms = _joined(fitting)
    frequencies, of_term = np.zeros(len(terms), dtype=np.int64), np.zeros(len(terms), dtype=np.int64)
    for view, numbers in fitting.items():
        frequencies[term_of[view]] += live_frequencies(view, numbers)  # a segment has a term once
    for view, own in edits.items():
        of_term[term_of[view]] = own
    is_live = frequencies > 0
    num_live = int(np.count_nonzero(is_live))
    if num_live <= limit:
        return Expansion(fitting, edits)
    chosen = _least(np.where(is_live, of_term * _MANY - frequencies, _NEVER), limit, terms)
    kept = {view: numbers[chosen[term_of[view]]] for view, numbers in fitting.items()}
    kept_edits = {view: own[chosen[term_of[view]]] for view, own in edits.items()}
    return Expansion(kept, kept_edits, num_live - limit)


def _joined(fitting: Mapping[SegmentView, np.ndarray]) -> tuple[dict[SegmentView, np.ndarray], pa.StringArray]:
    """The distinct terms of all segments, and the places among them of each segment's."""
    of_segments = [view.segment.terms.terms.take(pa.array(numbers)) for view, numbers in fitting.items()]
    if len(of_segments) == 1:
        return {view: np.arange(len(numbers)) for view, numbers in fitting.items()}, of_segments[0]
    encoded = pa.concat_arrays(of_segments).dictionary_encode()
    ends = np.cumsum(list(map(len, of_segments)))
    return dict(zip(fitting, np.split(encoded.indices.to_numpy(), ends[:-1]), strict=True)), encoded.dictionary


def _least(keys: np.ndarray, limit: int, terms: pa.StringArray) -> np.ndarray:
    """Which terms have the `limit` least keys, ties by the term. limit: fewer than there are -> (n,) bool."""
    last = np.partition(keys, limit - 1)[limit - 1]
    chosen: np.ndarray = keys < last
    tied = np.flatnonzero(keys == last)
    by_term = pc.sort_indices(terms.take(pa.array(tied))).to_numpy()
    chosen[tied[by_term[: limit - int(chosen.sum())]]] = True
    return chosen
