"""The expression for the documents nearest to a request: one `nn`, or an `or` of one for each of its vectors."""

from __future__ import annotations

from collections.abc import Sequence

from alicorn.language.tree import Nn, Node, Or


def nearest(key: str, k: int, nprobe: int | None = None, vectors: Sequence[str] = ()) -> Node:
    """`(nn key :k k :nprobe nprobe)`; with names of vectors, as of several interests, an `or` of one for each."""
    if not vectors:
        return Nn(key, k=k, nprobe=nprobe)
    return Or(tuple(Nn(key, k=k, nprobe=nprobe, vector=name) for name in vectors))
