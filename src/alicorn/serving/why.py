"""Why did this document match? Terms of the query that it has, cosines, and what it shares with the searcher.

A pure function of the expression, the request and the document; called by searching.py for each hit that is shown.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from alicorn.index import SegmentView, Snapshot
from alicorn.language import tree
from alicorn.query.nn.nearest import exact_cosines
from alicorn.query.order.order_by import scored_terms
from alicorn.serving.messages import Why

_MAX_SHOWN = 20  # terms or values of a column


class Explainer:
    """What is asked of a snapshot, prepared once for all hits.

    vectors: unit float32 (dim,), by name. profile: of the searcher.
    """

    def __init__(
        self, root: tree.Node, snapshot: Snapshot, vectors: Mapping[str, np.ndarray], profile: Mapping[str, Any]
    ) -> None:
        nodes = list(tree.walk(root))
        nns = [node for node in nodes if isinstance(node, tree.Nn)]
        self._terms = set(scored_terms(root))
        self._prefixes = tuple({node.prefix for node in nodes if isinstance(node, tree.Prefix)})
        self._queries = {nn.vector or nn.key: (nn.key, vectors[nn.vector or nn.key]) for nn in nns}
        self._approximate = any(_skips_clusters(nn, snapshot) for nn in nns) if nns else None
        self._profile = {name: value for name, value in profile.items() if value}

    def why(self, view: SegmentView, number: int, document: Mapping[str, Any]) -> Why:
        """document: what the collection stores of it, terms included."""
        return Why(
            terms=self._matched(document["terms"])[:_MAX_SHOWN],
            cosine={
                name: cosine
                for name, (key, query) in self._queries.items()
                if (cosine := _cosine(view, number, key, query)) is not None
            },
            approximate=self._approximate,
            in_common=in_common(self._profile, document),
        )

    def _matched(self, terms: list[str]) -> list[str]:
        distinct = dict.fromkeys(terms)
        return [
            term for term in distinct if term in self._terms or (self._prefixes and term.startswith(self._prefixes))
        ]


def in_common(profile: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """By column that both have: the same string, or the strings that are in both lists."""
    shared: dict[str, str | list[str]] = {}
    for name, mine in profile.items():
        theirs = document.get(name)
        if isinstance(mine, str) and mine == theirs:
            shared[name] = mine
        elif isinstance(mine, list) and isinstance(theirs, list) and name != "terms":
            known = {value for value in mine if isinstance(value, str)}
            both = [value for value in theirs if isinstance(value, str) and value in known]
            if both:
                shared[name] = both
    return shared


def _skips_clusters(nn: tree.Nn, snapshot: Snapshot) -> bool:
    few = nn.nprobe is not None and nn.nprobe < snapshot.quantizers[nn.key].coarse.num_clusters
    return few or nn.scan is not None


def _cosine(view: SegmentView, number: int, key: str, query: np.ndarray) -> float | None:
    """Exact, from the stored vector; None where the document has no such embedding."""
    block = view.segment.embeddings.get(key)
    row = -1 if block is None else int(block.rows_of[number])
    return None if block is None or row < 0 else float(exact_cosines(block, query, np.array([row]))[0])
