"""In which shard is a document? By a stable hash of its id."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import xxhash


def shard_of(doc_id: str, num_shards: int) -> int:
    """The shard of a document: xxh3 of the UTF-8 bytes of its id, modulo the number of shards."""
    return xxhash.xxh3_64_intdigest(doc_id.encode()) % num_shards


def shards_of(doc_ids: pa.StringArray, num_shards: int) -> np.ndarray:
    """The same of many: (n,) int64."""
    return np.array([shard_of(doc_id, num_shards) for doc_id in doc_ids.to_pylist()], dtype=np.int64)
