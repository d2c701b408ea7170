"""Compiles the kernels of a shard, or reads them from disk, before it listens: no request waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from alicorn.compiled.kernels import KERNELS
from alicorn.distributed.protocol.manifest import read_manifest
from alicorn.distributed.router.search import SearchArguments, ShardedSearch
from alicorn.distributed.router.transport import LocalShards
from alicorn.distributed.router.version import ServedVersion
from alicorn.distributed.shard.versions import ShardVersions
from alicorn.language.order import OrderBy
from alicorn.language.tree import And, Nn, Node, Not, Or, Term
from alicorn.query.check import check_vectors

_ASKED = ("alicorn.index.", "alicorn.query.")


def make_ready(shard: ShardVersions, folder: Path, number: int) -> None:
    """Ask a shard what routers will: words in each order, and each embedding in every way, alone and in a sum."""
    for kernel in KERNELS:
        if kernel.py_func.__module__.startswith(_ASKED) and len(kernel.declared) == 1:
            kernel.compile(kernel.declared[0])
    manifest = read_manifest(folder)
    only = LocalShards([shard] * len(manifest.shards))  # whatever shard is asked, it is this one
    status = shard.newest.status()
    everywhere = dict.fromkeys(range(len(manifest.shards)), (status.last, 1))
    version = ServedVersion(manifest, only).after(everywhere)

    def search(node: Node, order_by: OrderBy | None = None, **vectors: np.ndarray) -> None:
        ShardedSearch(version, [number], SearchArguments(node, check_vectors(vectors), 1, order_by)).result(0.0)

    if not manifest.shards[number].num_docs:
        return
    terms = [Term(term) for term in shard.some_terms()]
    words = [*terms, Or((*terms, Term("text:"))), And((*terms, Not(Term("text:"))))] if terms else []
    for node in words:
        for order_by in (None, "bm25"):
            search(node, order_by)
    for key, dim in manifest.embeddings.items():
        vector = np.eye(1, dim, dtype=np.float32)[0]
        for nearest in _ways(key):
            search(nearest, **{key: vector})
        for node in words[:1]:
            search(Or((node, Nn(key, k=1))), {"nn": 1.0, "bm25": 1.0}, **{key: vector})


def _ways(key: str) -> Iterator[Nn]:
    """To search an embedding."""
    yield from (Nn(key, k=1), Nn(key, radius=0.1), Nn(key, k=1, nprobe=1), Nn(key, k=1, recall=0.5))
