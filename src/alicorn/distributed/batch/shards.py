"""The shards of a collection, each written by a task of an engine from the whole of it."""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn.distributed.protocol.routing import shards_of
from alicorn.query import Collection


@dataclass(frozen=True)
class ShardsJob:
    """collection: which nobody writes meanwhile; shards: the folders of its shards, each of which appears when it is
    whole. All workers have both under the same paths."""

    collection: Path
    shards: tuple[Path, ...]

    def do(self, number: int) -> int:
        """Write a shard -> its documents. Raises CollectionError."""

        def place_of(doc_ids: pa.StringArray) -> np.ndarray:
            return np.where(shards_of(doc_ids, len(self.shards)) == number, 0, 1)

        shard = self.shards[number]
        unfinished = shard.with_name(f".{shard.name}.{uuid.uuid4().hex}")
        try:
            with Collection.open(self.collection, read_only=True) as collection:
                (num_docs,) = collection.split([unfinished], place_of)
            if not shard.exists():  # else the same task ran twice
                os.rename(unfinished, shard)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return num_docs
