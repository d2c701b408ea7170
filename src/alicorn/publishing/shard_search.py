"""Exact search for the documents nearest to training requests, by a collection in a temporary folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn.index.segment.building.documents import EMBEDDING
from alicorn.query import Collection


def search_shard(documents: np.ndarray, requests: np.ndarray, k: int) -> np.ndarray:
    """The k nearest documents of each request.

    documents, requests: float32 (n, dim) and (m, dim), unit length. Returns int64 (m, k) rows of `documents`, best
    first, -1 behind the last. The answer is exact, so that a resumed run mines what an uninterrupted one would have.
    """
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(documents.ravel()), documents.shape[1])
    names = pa.array([f"{row:010d}" for row in range(len(documents))])
    found = np.full((len(requests), k), -1, dtype=np.int64)
    with (
        tempfile.TemporaryDirectory() as folder,
        Collection.create(Path(folder) / "shard", {"shard": documents.shape[1]}) as collection,
    ):
        collection.upsert(pa.table({"doc_id": names, EMBEDDING + "shard": vectors}))
        collection.flush()
        expressions = [f"(nn shard :k {k})"] * len(requests)
        for row, result in enumerate(collection.search_many(expressions, {"shard": requests}, limit=k)):
            found[row, : len(result.ids)] = np.array(result.ids, dtype=np.int64)
    return found
