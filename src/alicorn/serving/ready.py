"""Compiles the kernels that requests need before the server accepts one, so that no request waits for them."""

from contextlib import suppress

import numpy as np

from alicorn.compiled.kernels import KERNELS
from alicorn.distributed.router import reaching
from alicorn.errors import UnreachableError
from alicorn.language.tree import Nn
from alicorn.query.any_collection import AnyCollection
from alicorn.retrieval.reading.reader import Mode
from alicorn.retrieval.retriever import Retriever

_MODES: tuple[Mode, ...] = ("boolean", "embedding", "hybrid")
_WORDS = 3
_SHARDS_S = 5.0  # for all searches of shards
_ASKED = ("alicorn.index.", "alicorn.query.", "alicorn.features.", "alicorn.towers.")


def make_ready(retriever: Retriever) -> None:
    """Compile the loops of engine and encoding, or read them from disk: seconds where nothing is compiled yet.

    A loop that is declared for several types, as one for each codec, is compiled for those of this collection, by the
    first searches of every kind: in each embedding, and by a text of words that a document has in each mode. Shards
    that do not answer yet are not waited for: /readyz says when they do.
    """
    for kernel in KERNELS:
        if kernel.py_func.__module__.startswith(_ASKED) and len(kernel.declared) == 1:
            kernel.compile(kernel.declared[0])
    collection = retriever.collection
    with suppress(UnreachableError), reaching(timeout_s=_SHARDS_S if collection.is_remote else None):
        for key, dim in collection.embeddings.items():
            search_by(collection, key, dim)
    snapshot = collection.snapshot()
    if not retriever.models or not snapshot.segments:
        return
    terms = snapshot.document(snapshot.segments[0], 0)["terms"]
    text = " ".join(term.partition(":")[2] for term in terms[:_WORDS])
    for mode in _MODES:
        request = retriever.request(text=text, mode=mode)
        for explain in (False, True):
            retriever.search(request, explain)


def search_by(collection: AnyCollection, key: str, dim: int) -> None:
    """Search an embedding in each way that there is."""
    vector = np.eye(1, dim, dtype=np.float32)[0]
    for node in (Nn(key, k=1), Nn(key, radius=0.1), Nn(key, k=1, nprobe=1), Nn(key, k=1, recall=0.5)):
        collection.search(node, vectors={key: vector})
