"""The evaluation of an expression over one shard, where the shards have agreed on what no shard can know alone."""

from __future__ import annotations

import numpy as np

from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.language.order import Part
from alicorn.query.run import Execution
from alicorn.query.sets.per_segment import Sets, narrow


class ShardExecution(Execution):
    """agreed: the documents of a node in this shard, by the node's identity. reached: of an `nn` with k, how many
    documents it has in all shards, and the cosine of the last. rising: of each part of a fusion, what all hits have.
    uncut: an `nn` with k that has the k nearest of this shard."""

    def __init__(
        self, snapshot: Snapshot, vectors: dict[str, np.ndarray], explain: bool = False, top: tree.Node | None = None
    ) -> None:
        """explain, top: as of an Execution."""
        super().__init__(snapshot, vectors, explain, top=top)
        self.agreed: dict[int, Sets] = {}
        self.reached: dict[tree.Nn, tuple[int, float]] = {}
        self.rising: dict[Part, np.ndarray] = {}
        self.uncut: tree.Nn | None = None

    def evaluate(self, node: tree.Node, within: Sets | None) -> Sets:
        agreed = self.agreed.get(id(node))
        return super().evaluate(node, within) if agreed is None else narrow(agreed, within)

    def of_all_hits(self, part: Part, rising: np.ndarray) -> np.ndarray:
        return self.rising[part]

    def reach(self, node: tree.Nn) -> tuple[int, float]:
        return self.reached[node]
