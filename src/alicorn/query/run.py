"""Evaluate a tree over a snapshot: every node yields a set of documents per segment.

`within` narrows a node to documents that its parent still needs: `and` runs its cheapest operand first and hands the
result down, so a costly operand looks at few documents. Narrowing never changes what a node denotes, only how much of
it is computed; operators that count over the whole collection (k nearest, weak-and, apply, extract) are evaluated
whole and narrowed afterwards.

Inside a segment sets may hold deleted documents until the end: `live` removes them, at the root and wherever an
operator counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import QueryError
from alicorn.index import SegmentView, Snapshot
from alicorn.index.segment.numeric import places_within
from alicorn.language import tree
from alicorn.query.cost import Known, estimate
from alicorn.query.explain.step import Step, spelled
from alicorn.query.nn.counters import Counters
from alicorn.query.nn.nearest import k_nearest, within_radius
from alicorn.query.nn.probe import Probe
from alicorn.query.nn.ranked import Ranked
from alicorn.query.nn.scan import clusters_to_scan
from alicorn.query.sets import docset, kernels
from alicorn.query.sets.docset import EMPTY, Bitmap, DocSet
from alicorn.query.sets.frequent import frequent
from alicorn.query.sets.static_order import first_documents, with_optional_hits

Sets = list[DocSet]  # one a segment

_FEW = 16  # operands


class Evaluation:
    """One expression over one snapshot.

    vectors: name -> (dim,) float32, unit length. forced: the plan every `nn` must take (tests), or None to choose.
    """

    def __init__(
        self, snapshot: Snapshot, vectors: dict[str, np.ndarray], explain: bool = False, forced: str | None = None
    ) -> None:
        self.snapshot = snapshot
        self.vectors = vectors
        self.forced = forced
        self.notices: list[str] = []
        self.step: Step | None = Step("query") if explain else None
        self.nearest: dict[tree.Nn, Ranked] = {}  # the answers of the `nn` with k, in order
        self._known: Known = {}
        self._scanned: dict[tree.Nn, int | None] = {}  # clusters that a `:scan` comes to, None for all
        self._probes: dict[tuple[str, str, int | None], Probe] = {}

    def run(self, root: tree.Node) -> Sets:
        """The live documents that the tree denotes."""
        return self.live(self.evaluate(root, None))

    # --- dispatch ---

    def evaluate(self, node: tree.Node, within: Sets | None) -> Sets:
        if self.step is None:
            return self._evaluate(node, within)
        parent = self.step
        step = self.step = parent.child(spelled(node), estimated=estimate(node, self.snapshot, self._known))
        started = time.perf_counter()
        found = self._evaluate(node, within)
        step.ms = (time.perf_counter() - started) * 1000.0
        step.actual = sum(map(docset.size, found))
        step.narrowed_to = None if within is None else sum(map(docset.size, within))
        self.step = parent
        return found

    def _evaluate(self, node: tree.Node, within: Sets | None) -> Sets:
        match node:
            case tree.Term():
                return self._each(within, lambda view, inside: _narrow(_term(view, node.term), inside))
            case tree.Prefix():
                return self._each(within, lambda view, inside: _narrow(_prefix(view, node.prefix), inside))
            case tree.Range():
                return self._each(within, lambda view, inside: _range(view, node, inside))
            case tree.And():
                return self._and(node, within)
            case tree.Or() | tree.StrongOr():
                return self._unite([self.evaluate(child, within) for child in _distinct(node.operands)])
            case tree.Difference():
                found = self.evaluate(node.operands[0], within)
                return self._without(found, _distinct(node.operands[1:]))
            case tree.Nn(k=None):
                return self._radius(node, within)
            case tree.Nn():
                return self._narrow_all(self._nearest(node), within)
            case tree.WeakAnd():
                return self._narrow_all(self._weak_and(node), within)
            case tree.Apply():
                return self._narrow_all(self._apply(node), within)
            case tree.Extract():
                return self._narrow_all(self._extract(node), within)
        raise QueryError(f"({node.operator} ...) cannot stand here", node.offset)

    # --- set algebra over segments ---

    def _each(self, within: Sets | None, find: Callable[[SegmentView, DocSet | None], DocSet]) -> Sets:
        return [find(view, None if within is None else within[at]) for at, view in enumerate(self.snapshot.segments)]

    def _narrow_all(self, found: Sets, within: Sets | None) -> Sets:
        return found if within is None else [docset.intersect(a, b) for a, b in zip(found, within, strict=True)]

    def _subtract(self, first: Sets, second: Sets) -> Sets:
        return [docset.subtract(a, b) for a, b in zip(first, second, strict=True)]

    def _unite(self, parts: Sequence[Sets]) -> Sets:
        views = self.snapshot.segments
        return [docset.unite([part[at] for part in parts], view.segment.num_docs) for at, view in enumerate(views)]

    def live(self, found: Sets) -> Sets:
        """Without the deleted documents."""
        if all(view.deleted is None for view in self.snapshot.segments):
            return found
        return [
            documents if view.deleted is None else docset.intersect(documents, Bitmap(view.live_words, view.num_live))
            for documents, view in zip(found, self.snapshot.segments, strict=True)
        ]

    def _and(self, node: tree.And, within: Sets | None) -> Sets:
        operands = _distinct(node.operands)
        wanted = [child for child in operands if not isinstance(child, tree.Not)]
        refused = [child.operand for child in operands if isinstance(child, tree.Not)]
        cheap_first = sorted(wanted, key=lambda child: (_holds_nn(child), estimate(child, self.snapshot, self._known)))
        found = within
        for child in cheap_first:
            found = self.evaluate(child, found)
            if not any(map(docset.size, found)):
                return found
        assert found is not None  # the parser lets no `and` stand without an operand that is not a `not`
        return self._without(found, refused)

    def _without(self, found: Sets, refused: Sequence[tree.Node]) -> Sets:
        for child in refused:  # a posting list is at hand as it is
            found = self._subtract(found, self.evaluate(child, None if isinstance(child, tree.Term) else found))
        return found

    # --- nn ---

    def probe(self, node: tree.Nn) -> Probe:
        """The probe of an `nn`, made once for all that share key, vector and number of clusters."""
        name = node.vector or node.key
        nprobe = node.nprobe if node.scan is None else self._scanned[node]
        wanted = (node.key, name, nprobe)
        if wanted not in self._probes:
            self._probes[wanted] = Probe(self.snapshot.quantizers[node.key], self.vectors[name], nprobe)
        return self._probes[wanted]

    def _resolve_scan(self, node: tree.Nn, allowed: Sets | None) -> None:
        """Find out how many clusters a `:scan` comes to; `allowed` may hold deleted documents."""
        if node.scan is not None and node not in self._scanned:
            vector = self.vectors[node.vector or node.key]
            live = None if allowed is None else self.live(allowed)
            self._scanned[node] = clusters_to_scan(self.snapshot, node.key, vector, node.scan, live)

    def _radius(self, node: tree.Nn, within: Sets | None) -> Sets:
        assert node.radius is not None
        self._resolve_scan(node, None)
        counters = Counters(self.step is not None)
        found = within_radius(
            self.snapshot, node.key, self.probe(node), node.radius, within, counters, forced=self.forced
        )
        self._note(node, counters)
        return found

    def ranked(self, node: tree.Nn) -> Ranked:
        """The documents of an `nn` with k, nearest first."""
        assert node.k is not None
        within = None if node.filter is None or node.scan is not None else self._probed_ranges(node)
        allowed = None if node.filter is None else self.evaluate(node.filter, within)
        self._resolve_scan(node, allowed)
        counters = Counters(self.step is not None)
        found = k_nearest(self.snapshot, node.key, self.probe(node), node.k, allowed, counters, forced=self.forced)
        self._note(node, counters)
        return found

    def _nearest(self, node: tree.Nn) -> Sets:
        ranked = self.nearest[node] = self.ranked(node)
        return self._sets_of(ranked.segments, ranked.numbers)

    def _probed_ranges(self, node: tree.Nn) -> Sets | None:
        """The clusters that an `nn` with nprobe looks in, to narrow its filter; None where they are no ranges."""
        probe = self.probe(node)
        if isinstance(node.filter, tree.Term) or probe.all_clusters:  # a posting list is at hand as it is
            return None
        clusters = probe.ascending
        ranges: Sets = []
        for view in self.snapshot.segments:
            block = view.segment.embeddings.get(node.key)
            if block is None or not block.identity:
                return None
            ranges.append(docset.Ranges.of(block.starts[clusters], block.starts[clusters + 1]))
        return ranges

    def _sets_of(self, segments: np.ndarray, numbers: np.ndarray) -> Sets:
        return [
            np.sort(numbers[segments == at]).astype(np.uint32) if len(numbers) else EMPTY
            for at in range(len(self.snapshot.segments))
        ]

    def _note(self, node: tree.Nn, counters: Counters) -> None:
        if self.step is not None:
            quantizer = self.snapshot.quantizers[node.key]
            codec = quantizer.codec
            scanned = counters.documents_scanned * (codec.scan_size + 4)
            refined = counters.documents_refined * (codec.code_size - codec.scan_size + 4)
            counters.bytes_read = scanned + refined + counters.exact_distances * quantizer.vector_bytes
            self.step.counters = counters

    # --- operators that count over the whole collection ---

    def _weak_and(self, node: tree.WeakAnd) -> Sets:
        required = [child for child, hits in zip(node.operands, node.optional_hits, strict=True) if hits is None]
        marked = [
            (self.evaluate(child, None), hits)
            for child, hits in zip(node.operands, node.optional_hits, strict=True)
            if hits is not None
        ]
        if required:
            base = self.live(self.evaluate(tree.And(tuple(required)), None))
        else:
            base = self.live([docset.everything(view.segment.num_docs) for view in self.snapshot.segments])
        complete = base
        for matched, _ in marked:
            complete = self._narrow_all(complete, matched)
        lacking = self._subtract(base, complete)
        taken = with_optional_hits(
            self.snapshot, lacking, [matched for matched, _ in marked], [hits for _, hits in marked]
        )
        return self._unite([complete, taken])

    def _apply(self, node: tree.Apply) -> Sets:
        segments, numbers = self._first(node.inner, node.limit, "apply")
        ids = (
            pa.concat_arrays(
                [
                    view.segment.doc_ids.take(pa.array(numbers[segments == at])).cast(pa.binary())
                    for at, view in enumerate(self.snapshot.segments)
                ]
            )
            if self.snapshot.segments
            else pa.array([], pa.binary())
        )
        prefix = pa.scalar(node.prefix.encode("utf-8", "surrogatepass"), pa.binary())
        terms = pc.binary_join_element_wise(prefix, ids, b"")
        return self._each(None, lambda view, _: _terms(view, terms))

    def _extract(self, node: tree.Extract) -> Sets:
        segments, numbers = self._first(node.inner, node.limit, "extract")
        ids: list[pa.Array] = [
            _ids_listed(view.segment.fields.column(node.column).take(pa.array(numbers[segments == at])))
            for at, view in enumerate(self.snapshot.segments)
            if node.column in view.segment.fields.column_names
        ]
        wanted = pc.unique(pa.concat_arrays(ids)).drop_null() if ids else pa.array([], pa.string())
        return self._each(None, lambda view, _: _numbers_of(view, wanted))

    def _first(self, inner: tree.Node, limit: int, operator: str) -> tuple[np.ndarray, np.ndarray]:
        """The first `limit` documents of the inner expression in static-rank order; a notice says when it was cut.

        Returns segments and numbers, (n,) int64 each.
        """
        found = self.live(self.evaluate(inner, None))
        total = sum(map(docset.size, found))
        if total > limit:
            self.notices.append(f"{operator}: the inner expression has {total} documents, cut to :limit {limit}")
        return first_documents(self.snapshot, found, limit)


def _distinct(operands: tuple[tree.Node, ...]) -> tuple[tree.Node, ...]:
    """Each operand once. Few are left as they are: evaluating one again costs less than comparing all."""
    return operands if len(operands) <= _FEW else tuple(dict.fromkeys(operands))


def _narrow(documents: DocSet, inside: DocSet | None) -> DocSet:
    return documents if inside is None else docset.intersect(documents, inside)


def _holds_nn(node: tree.Node) -> bool:
    return not isinstance(node, tree.Term) and any(isinstance(inner, tree.Nn) for inner in tree.walk(node))


def _term(view: SegmentView, term: str) -> DocSet:
    segment = view.segment
    number = segment.terms.find(term)
    if number < 0:
        return EMPTY
    postings = segment.postings[segment.posting_starts[number] : segment.posting_starts[number + 1]]
    return frequent(segment, number, postings) if docset.is_dense(len(postings), segment.num_docs) else postings


def _prefix(view: SegmentView, prefix: str) -> DocSet:
    segment = view.segment
    low, high = segment.terms.prefix(prefix)
    if low == high:
        return EMPTY
    postings = segment.postings[segment.posting_starts[low] : segment.posting_starts[high]]
    return postings if high == low + 1 else docset.from_unsorted(postings, segment.num_docs)


def _range(view: SegmentView, node: tree.Range, inside: DocSet | None) -> DocSet:
    column = view.segment.columns.get(node.column)
    if column is None:
        return EMPTY
    places = places_within(column, view.segment.fields.column(node.column), node.minimum, node.maximum)
    docs = column.sorted_docs[places]
    if len(docs) == 0:
        return EMPTY
    if inside is not None and docset.size(inside) < len(docs):
        numbers = docset.as_array(inside)
        values, within = column.values[numbers], column.sorted_values[places]
        found: DocSet = numbers[column.valid[numbers] & (values >= within[0]) & (values <= within[-1])]
        return found
    return _narrow(docset.from_unsorted(docs, view.segment.num_docs), inside)


def _terms(view: SegmentView, terms: pa.BinaryArray) -> DocSet:
    """The documents that have any of the terms."""
    segment = view.segment
    numbers = segment.terms.find_many(terms)
    numbers = numbers[numbers >= 0]
    starts, stops = segment.posting_starts[numbers], segment.posting_starts[numbers + 1]
    postings = np.empty(int((stops - starts).sum()), dtype=np.uint32)
    kernels.join_lists(segment.postings, starts, stops, postings)
    return docset.from_unsorted(postings, segment.num_docs)


def _ids_listed(values: pa.ChunkedArray) -> pa.Array:
    """The strings of a column of strings or of lists of strings, as they come."""
    array = values.combine_chunks()
    if isinstance(array, pa.ListArray | pa.LargeListArray):
        array = array.flatten()
    return array.cast(pa.string())


def _numbers_of(view: SegmentView, ids: pa.StringArray) -> DocSet:
    numbers = view.segment.numbers_of(ids)
    return np.unique(numbers[numbers >= 0]).astype(np.uint32)
