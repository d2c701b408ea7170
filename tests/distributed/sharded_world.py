"""One collection, and the same documents as 1, 2, 4 and 7 shards."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from random_documents import random_documents, table_of
from random_trees import Vocabulary, vocabulary

from alicorn.distributed.protocol.codec import decode_answer, decode_request, encode
from alicorn.distributed.protocol.messages import Answer, Message
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router.sharded import ShardedCollection
from alicorn.distributed.router.transport import LocalShards, Lost, Transport
from alicorn.distributed.shard.versions import ShardVersions
from alicorn.query import Collection

DIMS = {"first": 8, "second": 5}
NUM_SHARDS = (1, 2, 4, 7)


class OverAWire:
    """A transport whose messages are bytes on the way."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    def ask(self, asked: Mapping[int, Message], deadline: float | None) -> dict[int, Answer | Lost]:
        read = {shard: decode_request(encode(message)) for shard, message in asked.items()}
        answers = self._inner.ask(read, deadline)
        return {shard: decode_answer(encode(answer)) for shard, answer in answers.items()}

    def copies(self, shard: int) -> Sequence[str]:
        return self._inner.copies(shard)

    def tell(self, shard: int, copy: str, message: Message, deadline: float | None) -> Answer | Lost:
        return decode_answer(encode(self._inner.tell(shard, copy, decode_request(encode(message)), deadline)))

    def close(self) -> None:
        self._inner.close()


@dataclass
class World:
    """A collection, and its documents as shards, by their number; two of them are asked over a wire."""

    whole: Collection
    sharded: dict[int, ShardedCollection]
    words: Vocabulary

    def close(self) -> None:
        self.whole.close()
        for one in self.sharded.values():
            one.close()

    def vectors(self, rng: random.Random) -> dict[str, np.ndarray]:
        generator = np.random.default_rng(rng.randrange(2**32))
        named = {key: generator.normal(size=dim).astype(np.float32) for key, dim in DIMS.items()}
        return named | {"other": generator.normal(size=DIMS["first"]).astype(np.float32)}


def make_world(folder: Path) -> World:
    """Documents that were replaced and deleted are among those of the collection."""
    rng = random.Random(5)
    whole = Collection.create(folder / "whole", DIMS, positions=["text"])
    whole.upsert(table_of(random_documents(rng, 300, DIMS)))
    whole.train(num_clusters=7, codec="sq8")
    whole.upsert(table_of(random_documents(rng, 60, DIMS, first=260)))  # 40 replaced
    whole.delete([f"d{number}" for number in range(0, 300, 11)])
    sharded = {}
    for count in NUM_SHARDS:
        publish_shards(whole, folder / str(count), count)
        local = LocalShards([ShardVersions(folder / str(count), number) for number in range(count)])
        sharded[count] = ShardedCollection(folder / str(count), OverAWire(local) if count in (2, 7) else local)
    words = vocabulary(DIMS)
    return World(whole, sharded, replace(words, vectors=words.vectors | {"first": (None, "other")}, recalls=(0.5, 0.9)))
