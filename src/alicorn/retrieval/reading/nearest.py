"""The expression for the documents nearest to a request."""

from __future__ import annotations

from collections.abc import Sequence

from alicorn.language.tree import Nn, Node, Or

RECALL = 0.95
"""The share of the nearest documents that a request asks for, as in the expressions of a vertical."""


def nearest(key: str, k: int, recall: float = RECALL, vectors: Sequence[str] = ()) -> Node:
    """`(nn key :k k :recall recall)`; with names of vectors, as of several interests, an `or` of one for each."""
    if not vectors:
        return Nn(key, k=k, recall=recall)
    return Or(tuple(Nn(key, k=k, recall=recall, vector=name) for name in vectors))
