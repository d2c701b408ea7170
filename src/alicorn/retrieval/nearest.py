"""The expression for the documents nearest to a request, and the number of clusters that it looks in."""

from __future__ import annotations

from collections.abc import Sequence

from alicorn.language.tree import Nn, Node, Or, walk
from alicorn.vertical import Vertical


def nearest(key: str, k: int, nprobe: int | None = None, vectors: Sequence[str] = ()) -> Node:
    """`(nn key :k k :nprobe nprobe)`; with names of vectors, as of several interests, an `or` of one for each."""
    if not vectors:
        return Nn(key, k=k, nprobe=nprobe)
    return Or(tuple(Nn(key, k=k, nprobe=nprobe, vector=name) for name in vectors))


def default_nprobe(vertical: Vertical) -> int | None:
    """The number of clusters that the vertical's hybrid expression looks in; None: all."""
    nodes = walk(vertical.expressions.hybrid.root)
    return next((node.nprobe for node in nodes if isinstance(node, Nn)), None)
