"""The evaluation of an expression over one shard, where the shards have agreed on what no shard can know alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from alicorn.distributed.protocol.messages import Spelled
from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.language.order import Part
from alicorn.query.expansion.expansion import Expansion
from alicorn.query.run import Execution
from alicorn.query.sets.per_segment import Sets, narrow


class ShardExecution(Execution):
    """agreed: the documents of a node in this shard, by the node's identity. reached: of an `nn` with k, how many
    documents it has in all shards, and the cosine of the last. rising: of each part of a fusion, what all hits have.
    uncut: an `nn` with k that has the k nearest of this shard."""

    def __init__(
        self, snapshot: Snapshot, vectors: dict[str, np.ndarray], expansions: Mapping[str, Spelled] | None = None
    ) -> None:
        """expansions: of the prefixes and fuzzy terms, by their text."""
        super().__init__(snapshot, vectors)
        self.agreed: dict[int, Sets] = {}
        self.reached: dict[tree.Nn, tuple[int, float]] = {}
        self.rising: dict[Part, np.ndarray] = {}
        self.uncut: tree.Nn | None = None
        self._spelled = expansions or {}

    def evaluate(self, node: tree.Node, within: Sets | None) -> Sets:
        agreed = self.agreed.get(id(node))
        return super().evaluate(node, within) if agreed is None else narrow(agreed, within)

    def expand(self, node: tree.Prefix | tree.Fuzzy) -> Expansion:
        return expansion_of(self.snapshot, self._spelled[str(node)])

    def of_all_hits(self, part: Part, rising: np.ndarray) -> np.ndarray:
        return self.rising[part]

    def reach(self, node: tree.Nn) -> tuple[int, float]:
        return self.reached[node]


def expansion_of(snapshot: Snapshot, spelled: Spelled) -> Expansion:
    """The terms of an agreed expansion that the segments of a shard have."""
    terms, edits = pa.array(spelled.terms, pa.string()).cast(pa.binary()), np.array(spelled.edits, dtype=np.int64)
    numbers, of_terms = {}, {}
    for view in snapshot.segments:
        found = view.segment.terms.find_many(terms)
        order = np.argsort(found, kind="stable")
        order = order[found[order] >= 0]
        numbers[view], of_terms[view] = found[order], edits[order]
    return Expansion(numbers, of_terms, spelled.left_out)
