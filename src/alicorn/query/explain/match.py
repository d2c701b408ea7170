"""How does a hit match the query? The terms of the expression that it has, and its cosine to each vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alicorn.index import SegmentView, Snapshot
from alicorn.language import tree
from alicorn.language.scored import scored_terms
from alicorn.query.check import UnitVectors
from alicorn.query.expansion.expansion import expand
from alicorn.query.nn.nearest import exact_cosines


@dataclass(frozen=True, slots=True)
class Match:
    """terms: those of the expression that the document has. cosine: name of each vector of the request -> cosine to the
    document's embedding, where it has one."""

    terms: list[str]
    cosine: dict[str, float]


class Matcher:
    """An expression and the vectors of a request, prepared once for all hits.

    approximate: whether the expression looks for the nearest in some clusters only; None without `nn`.
    """

    def __init__(self, root: tree.Node, snapshot: Snapshot, vectors: UnitVectors) -> None:
        nodes = list(tree.walk(root))
        nns = [node for node in nodes if isinstance(node, tree.Nn)]
        self.approximate = any(_skips_clusters(nn, snapshot) for nn in nns) if nns else None
        self._terms = set(scored_terms(root))
        self._expansions = [expand(snapshot, node) for node in nodes if isinstance(node, tree.Prefix | tree.Fuzzy)]
        self._queries = {nn.vector or nn.key: (nn.key, vectors[nn.vector or nn.key]) for nn in nns}

    def match(self, view: SegmentView, number: int, terms: Sequence[str]) -> Match:
        """Document `number` of a segment of the snapshot; terms: those that it has."""
        cosine = {name: _cosine(view, number, key, query) for name, (key, query) in self._queries.items()}
        expanded = {term for expansion in self._expansions for term in expansion.chosen(view, terms)}
        return Match(
            [term for term in dict.fromkeys(terms) if term in self._terms or term in expanded],
            {name: value for name, value in cosine.items() if value is not None},
        )


def _skips_clusters(nn: tree.Nn, snapshot: Snapshot) -> bool:
    quantizer = snapshot.quantizers[nn.key]
    if nn.recall is not None:
        return quantizer.calibration is not None
    if nn.scan is not None:
        return quantizer.num_clusters > 1
    return nn.nprobe is not None and nn.nprobe < quantizer.num_clusters


def _cosine(view: SegmentView, number: int, key: str, query: np.ndarray) -> float | None:
    """Exact, from the stored vector; None where the document has no such embedding."""
    block = view.segment.embeddings.get(key)
    row = -1 if block is None else int(block.rows_of[number])
    return None if block is None or row < 0 else float(exact_cosines(block, query, np.array([row]))[0])
