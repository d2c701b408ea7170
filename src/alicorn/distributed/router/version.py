"""A version of shards at a moment, as a router knows it: what all of it shares, and how it is asked."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Generic, TypeVar

import numpy as np
import pyarrow as pa

from alicorn.distributed.protocol.codec import from_stream
from alicorn.distributed.protocol.exchanges import Reply
from alicorn.distributed.protocol.manifest import ShardsManifest
from alicorn.distributed.protocol.messages import (
    Answer,
    AskDocuments,
    AskFacts,
    AskQuantizers,
    AskStatus,
    LastWrite,
    Message,
    Moment,
    OwnFacts,
    QuantizerArrays,
    TableStream,
)
from alicorn.distributed.protocol.routing import shard_of
from alicorn.distributed.router.facts import KnownFacts, spelled_nodes
from alicorn.distributed.router.fetched import FetchedSegment, segment_of
from alicorn.distributed.router.reach import REACH
from alicorn.distributed.router.rounds import ask_all
from alicorn.distributed.router.transport import Transport
from alicorn.index import Segment, SegmentView, Snapshot
from alicorn.index.segment.snapshot import CountOf, Spelled, Whole
from alicorn.language import tree
from alicorn.language.parse import parse
from alicorn.language.prepared import prepare
from alicorn.quantization import KeyQuantizer
from alicorn.query.check import check_expression
from alicorn.tables import concatenated
from alicorn.tables.unify import fitted_table

_MOST_PARTS = 64  # of the documents that may be seen, whose facts are remembered

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class OnDemand(dict[K, V], Generic[K, V]):
    """What is asked for when it is read."""

    def __init__(self, ask: Callable[[K], V]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, key: K) -> V:
        return self._ask(key)


class ServedVersion:
    """Every method may be called from any thread. They raise UnreachableError."""

    def __init__(
        self,
        manifest: ShardsManifest,
        transport: Transport,
        writes: Sequence[LastWrite] | None = None,
        num_docs: Sequence[int] | None = None,
    ) -> None:
        """writes: the last of each shard, and num_docs: its documents then; None: as they were published."""
        self.manifest = manifest
        self._transport = transport
        self.shards = list(range(len(manifest.shards)))
        self.moment = Moment(manifest.version, [(0, 0) for _ in self.shards] if writes is None else list(writes))
        self.num_docs = [one.num_docs for one in manifest.shards] if num_docs is None else list(num_docs)
        self._facts = self._facts_of(self.shards)
        self._of_parts: dict[str, KnownFacts] = {}
        self.snapshot = self.snapshot_of(self._facts, ())

    def ask(self, shards: Iterable[int], message_to: Callable[[list[list[Reply]]], Message]) -> dict[int, Answer]:
        """The answers of shards after all rounds. message_to: the message with a shard's replies."""
        return ask_all(self._transport, shards, message_to, REACH.get().deadline)

    def is_everywhere(self) -> None:
        """Raises UnreachableError unless every shard has the version."""
        self.ask(self.shards, partial(_same, AskStatus(self.manifest.version)))

    def after(self, writes: Mapping[int, tuple[LastWrite, int]]) -> ServedVersion:
        """The moment after some shards were written, each with its last write and its documents then."""
        newer = {shard: one for shard, one in writes.items() if one[0] > self.moment.writes[shard]}
        if not newer:
            return self
        of_shards = [newer.get(shard, (self.moment.writes[shard], self.num_docs[shard])) for shard in self.shards]
        lasts, num_docs = zip(*of_shards, strict=True)
        version = ServedVersion(self.manifest, self._transport, lasts, num_docs)
        if "_quantizers" in vars(self):
            vars(version)["_quantizers"] = self._quantizers
        return version

    def facts(self, alive: list[int], only: tree.Node | None, count: Callable[[tree.Node], int]) -> KnownFacts:
        """Of the documents that may be seen; count: how many these are. Those of some shards are not remembered."""
        if only is None:
            return self._facts if alive == self.shards else self._facts_of(alive)
        text = str(only)
        known = self._of_parts.get(text) if alive == self.shards else None
        if known is None:
            check_expression(prepare(only).named, self.snapshot, {})
            known = KnownFacts(self.moment, alive, count(only), text)
            if alive == self.shards:
                self._of_parts = {**dict(list(self._of_parts.items())[1 - _MOST_PARTS :]), text: known}
        return known

    def ask_facts(self, alive: Sequence[int]) -> Callable[[AskFacts], list[OwnFacts]]:
        def ask(asked: AskFacts) -> list[OwnFacts]:
            answers = self.ask(alive, partial(_same, asked)).values()
            return [answer for answer in answers if isinstance(answer, OwnFacts)]

        return ask

    def snapshot_of(self, facts: KnownFacts, segments: tuple[SegmentView, ...]) -> Snapshot:
        """Of some documents, with counts of the shards and documents that the facts are of."""
        ask = self.ask_facts(facts.shards)

        def expansion(text: str) -> Spelled:
            return facts.expansions(spelled_nodes([parse(text)]), ask)[text]

        def count(counted: CountOf) -> int:
            spelled = {counted[1]: expansion(counted[1])} if counted[0] == "spelled" else {}
            return facts.counts([counted], ask, spelled)[counted]

        manifest = self.manifest
        return Snapshot(
            segments=segments,
            quantizers=OnDemand(lambda key: self._quantizers[key]),
            num_docs=facts.num_docs,
            embeddings=manifest.embeddings,
            columns={field.name: field.type for field in manifest.schema},
            positions=tuple(manifest.positions),
            sequence=(int(manifest.version, 16) >> 1) + sum(operation for _, operation in self.moment.writes),
            metadata=manifest.metadata,
            whole=Whole(OnDemand(count), OnDemand(expansion)),
        )

    def hits(self, facts: KnownFacts, shards: np.ndarray, doc_ids: Sequence[str]) -> Snapshot:
        """A snapshot of documents of some shards, (n,) each, numbered by doc_id; they are fetched when they are
        read."""
        if not len(shards):
            return self.snapshot_of(facts, ())
        segment = FetchedSegment(len(shards), partial(self._rows, shards, doc_ids), self._segment)
        return self.snapshot_of(facts, (SegmentView(segment),))

    def holding(self, doc_ids: Sequence[str]) -> Snapshot:
        by_shard: dict[int, list[str]] = {}
        for doc_id in doc_ids:
            by_shard.setdefault(shard_of(doc_id, len(self.shards)), []).append(doc_id)
        tables = []
        for shard, ids in by_shard.items():
            tables.append(self._table(shard, AskDocuments(self.moment, ids, True)))
        found = [table for table in tables if table.num_rows]
        views = (SegmentView(self._segment(concatenated(found))),) if found else ()
        return self.snapshot_of(self._facts, views)

    def new_request(self) -> str:
        return secrets.token_hex(8)

    # -- within

    def _facts_of(self, alive: list[int]) -> KnownFacts:
        return KnownFacts(self.moment, alive, sum(self.num_docs[shard] for shard in alive))

    @cached_property
    def _quantizers(self) -> dict[str, KeyQuantizer]:
        answer = self.ask(self.shards[:1], partial(_same, AskQuantizers(self.moment)))[0]
        assert isinstance(answer, QuantizerArrays)
        return {key: KeyQuantizer.from_arrays(arrays) for key, arrays in answer.of_keys.items()}

    def _rows(self, shards: np.ndarray, doc_ids: Sequence[str], whole: bool) -> pa.Table:
        tables = []
        for shard in np.unique(shards).tolist():
            here = [doc_ids[at] for at in np.flatnonzero(shards == shard).tolist()]
            tables.append(self._table(shard, AskDocuments(self.moment, here, whole)))
        if whole:
            return concatenated(tables)
        schema = pa.schema([("doc_id", pa.string()), *self.snapshot.columns.items()])
        return pa.concat_tables([fitted_table(table, schema) for table in tables])

    def _segment(self, documents: pa.Table) -> Segment:
        stored = {key: one.stored for key, one in self._quantizers.items()}
        return segment_of(documents, self.manifest.embeddings, self.snapshot.positions, stored)

    def _table(self, shard: int, asked: Message) -> pa.Table:
        answer = self.ask([shard], partial(_same, asked))[shard]
        assert isinstance(answer, TableStream)
        return from_stream(answer.stream)


def _same(asked: Message, _: list[list[Reply]]) -> Message:
    """Of a message that has no rounds."""
    return asked
