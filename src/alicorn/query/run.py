"""Evaluate a tree over a snapshot: every node yields a set of documents per segment.

`within` narrows a node to documents that its parent still needs: `and` evaluates its cheapest operand first and hands
the result down, so that a costly operand looks at few documents. Narrowing never changes the set that a node denotes,
only how much of it is computed.

Sets may hold deleted documents until the end: they are removed at the root, and wherever an operator counts.
"""

from __future__ import annotations

import time

import numpy as np

from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.language.order import Part
from alicorn.query.expansion.expansion import Expansion, expand
from alicorn.query.explain.step import Step, spelled
from alicorn.query.nn.counters import Counters
from alicorn.query.nn.probe import Probe
from alicorn.query.nn.recall import nearest_by_recall
from alicorn.query.nn.scan import clusters_to_scan
from alicorn.query.nn.segment import segment_search
from alicorn.query.operators import OPERATORS
from alicorn.query.sets import docset
from alicorn.query.sets.per_segment import Sets, few_live, live, size, unite
from alicorn.query.sets.ranked import Ranked
from alicorn.query.wanted import awaited


class Execution:
    """The evaluation of one expression over one snapshot: values that are computed once and used by several operators.

    vectors: name -> (dim,) float32, unit length. forced: the plan every `nn` must take (tests), or None to choose.
    top: the `or` or `strong-or` whose operands' documents are kept, in `of_operands`.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        vectors: dict[str, np.ndarray],
        explain: bool = False,
        forced: str | None = None,
        top: tree.Node | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.vectors = vectors
        self.forced = forced
        self.notices: list[str] = []
        self.step: Step | None = Step("query") if explain else None
        self.top = top
        self.of_operands: list[Sets] = []
        self.nearest: dict[tree.Nn, Ranked] = {}  # the answers of the `nn` with k, in order
        self._estimates: dict[int, tuple[tree.Node, int]] = {}  # by id of the node, which is kept so that its id is
        self.scanned: dict[tree.Nn, int | None] = {}  # clusters that a `:scan` or `:recall` comes to, None for all
        self._expansions: dict[tree.Prefix | tree.Fuzzy, Expansion] = {}
        self._probes: dict[tuple[str, str, int | None], Probe] = {}

    def run(self, root: tree.Node) -> Sets:
        """The live documents that the tree denotes."""
        return live(self.snapshot, self.evaluate(root, few_live(self.snapshot)))

    def evaluate(self, node: tree.Node, within: Sets | None) -> Sets:
        """The documents of a node, those of `within` only; deleted ones may be among them."""
        waiting = awaited()
        if waiting is not None:
            waiting.check()
        evaluate = OPERATORS[type(node)].evaluate
        if self.step is None:
            return evaluate(self, node, within)
        parent = self.step
        step = self.step = parent.child(spelled(node), estimated=self.estimate(node))
        started = time.perf_counter()
        found = evaluate(self, node, within)
        step.ms = (time.perf_counter() - started) * 1000.0
        step.actual = size(found)
        step.narrowed_to = None if within is None else size(within)
        self.step = parent
        return found

    def found_by(self, segments: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """bool (documents, operands): which operands of `top` have some documents, given by segment and number."""
        found = np.zeros((len(numbers), len(self.of_operands)), dtype=bool)
        for at in range(len(self.snapshot.segments)):
            here = np.flatnonzero(segments == at)
            for operand, sets in enumerate(self.of_operands):
                found[here, operand] = docset.holds(sets[at], numbers[here])
        return found

    def num_by_nn(self) -> int:
        """How many documents the operands of `top` with an `nn` have together."""
        assert isinstance(self.top, tree.Or | tree.StrongOr)
        has_nn = [any(isinstance(node, tree.Nn) for node in tree.walk(operand)) for operand in self.top.operands]
        parts = [sets for sets, by_nn in zip(self.of_operands, has_nn, strict=True) if by_nn]
        return size(live(self.snapshot, unite(self.snapshot, parts)))

    def estimate(self, node: tree.Node) -> int:
        """At most how many documents a node matches. Asked of every node of a tree, it takes linear time."""
        known = self._estimates.get(id(node))
        if known is None:
            known = self._estimates[id(node)] = node, OPERATORS[type(node)].estimate(self, node)
        return known[1]

    def expansion(self, node: tree.Prefix | tree.Fuzzy) -> Expansion:
        """The terms that a node expands to; a notice says when it left some out."""
        known = self._expansions.get(node)
        if known is None:
            known = self._expansions[node] = expand(self.snapshot, node)
            if known.left_out:
                kept = f"the {node.terms} {'nearest' if isinstance(node, tree.Fuzzy) else 'most frequent'}"
                self.notices.append(f"{spelled(node)}: {known.left_out + node.terms} terms fit, cut to {kept}")
        return known

    def of_all_hits(self, part: Part, rising: np.ndarray) -> np.ndarray:
        """What the hits have of a part of a fusion, ascending: they are all hits."""
        return rising

    def reach(self, node: tree.Nn) -> tuple[int, float]:
        """How many documents an `nn` with k has, and the cosine of the last; 0.0 without any."""
        scores = self.nearest[node].scores
        return len(scores), float(scores[-1]) if len(scores) else 0.0

    def probe(self, node: tree.Nn) -> Probe:
        """The probe of an `nn`, made once for all that share key, vector and number of clusters."""
        return self._probe(node, self.scanned[node] if node.counts_documents else node.nprobe)

    def complete_probe(self, node: tree.Nn) -> Probe:
        """The probe of all clusters, with the key and the vector of an `nn`."""
        return self._probe(node, None)

    def _probe(self, node: tree.Nn, nprobe: int | None) -> Probe:
        name = node.vector or node.key
        wanted = (node.key, name, nprobe)
        probe = self._probes.get(wanted)
        if probe is None:
            probe = self._probes[wanted] = Probe(self.snapshot.quantizers[node.key], self.vectors[name], nprobe)
        return probe

    def count_clusters(self, node: tree.Nn, scan: int, allowed: Sets | None) -> None:
        """Find out how many clusters hold as many documents as a `:scan` asks for.

        allowed: the live documents that count, None for all.
        """
        if node in self.scanned:
            return
        name = node.vector or node.key
        found = clusters_to_scan(self.snapshot, node.key, self.vectors[name], scan, allowed)
        nprobe = self.scanned[node] = None if found is None else len(found.clusters)
        probe = Probe(self.snapshot.quantizers[node.key], self.vectors[name], nprobe, found)
        self._probes.setdefault((node.key, name, nprobe), probe)

    def nearest_by_recall(self, node: tree.Nn, allowed: Sets | None, counters: Counters) -> Ranked:
        """The answer of an `nn` with `:recall`, and from then on its probe has the clusters that it came to.

        allowed: the live documents that count, None for all.
        """
        assert node.k is not None
        assert node.recall is not None
        vector = self.vectors[node.vector or node.key]
        found, self.scanned[node] = nearest_by_recall(
            self.snapshot, node.key, vector, node.k, node.recall, allowed, counters, self.forced
        )
        return found

    def within_in_segment(self, node: tree.Nn) -> Sets | None:
        """The documents within the radius of an `nn` likewise."""
        if self.step is not None or self.forced is not None or node.scan is not None:
            return None
        search = segment_search(self.snapshot, node)
        return None if search is None else [search.within(self.vectors[node.vector or node.key])]

    def nearest_in_segment(self, node: tree.Nn, allowed: Sets | None) -> Ranked | None:
        """The answer of an `nn` with k by the loop of segment.py, if it serves, and no plan is forced or explained.

        allowed: the documents that count, None for all; those of a `:scan` or `:recall` live.
        """
        if self.step is not None or self.forced is not None:
            return None
        search = segment_search(self.snapshot, node)
        vector = self.vectors[node.vector or node.key]
        found = None if search is None else search.among(vector, None if allowed is None else allowed[0])
        if found is None:
            return None
        if node.counts_documents:
            self.scanned[node] = found[3]
        return Ranked.of_one_segment(*found[:2])
