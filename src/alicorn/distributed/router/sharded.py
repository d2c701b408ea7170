"""ShardedCollection: N shards that answer as one collection. A router: parse, scatter, agree, gather, merge.

The meaning of every expression is that of one collection (tests/distributed/test_equal.py). docs/beyond-one-machine.md
lists what is refused.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import pyarrow as pa

from alicorn.distributed.protocol.codec import from_stream
from alicorn.distributed.protocol.exchanges import Reply
from alicorn.distributed.protocol.manifest import ShardsManifest, folder_of, read_manifest
from alicorn.distributed.protocol.messages import (
    AskDocument,
    AskFacts,
    AskReason,
    AskRows,
    AskSearch,
    AskVersion,
    Message,
    OwnFacts,
    ShardHits,
)
from alicorn.distributed.protocol.routing import shard_of
from alicorn.distributed.router.facts import KnownFacts, counted_by, spelled_nodes
from alicorn.distributed.router.merging import Gathered, facets_of, with_shares
from alicorn.distributed.router.result import Coverage, ShardedResult
from alicorn.distributed.router.rounds import ask_all
from alicorn.distributed.router.transport import LocalShards, Transport
from alicorn.distributed.shard.shard import OpenShard
from alicorn.errors import ConfigError, UnreachableError
from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.language.order import OrderBy
from alicorn.language.prepared import Prepared, prepare
from alicorn.query import Collection, Facet
from alicorn.query.check import UnitVectors, check_expression, check_matrix, check_vectors
from alicorn.query.explain.missing import missing_terms
from alicorn.query.explain.reason import Reason
from alicorn.query.facets.checking import check_facets
from alicorn.query.order.cursor import Ordering
from alicorn.query.order.keys import check_order
from alicorn.query.search import check_limit, check_page
from alicorn.tables import python_values

_MOST_PARTS = 64  # of the documents that may be seen, whose facts are remembered


class ShardedCollection:
    """A version of a sharded collection, searched as a Collection is. Every method may be called from any thread."""

    def __init__(self, manifest: ShardsManifest, transport: Transport) -> None:
        self.manifest = manifest
        self._transport = transport
        self._shards = list(range(len(manifest.shards)))
        self._facts = self._facts_of(self._shards)
        self._of_parts: dict[str, KnownFacts] = {}
        schema = manifest.schema
        self._schema = Snapshot(
            segments=(),
            quantizers={},
            num_docs=manifest.num_docs,
            embeddings=manifest.embeddings,
            columns={field.name: field.type for field in schema},
            positions=tuple(manifest.positions),
            sequence=0,
        )

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """The current version in a folder, all shards in this process. Raises CollectionError, CorruptionError."""
        manifest = read_manifest(Path(folder))
        root = folder_of(manifest, Path(folder))
        shards = []
        try:
            for record in manifest.shards:
                opened = Collection.open(root / record.folder, read_only=True)
                shards.append(OpenShard(opened))
        except BaseException:
            LocalShards(shards).close()
            raise
        return cls(manifest, LocalShards(shards))

    @property
    def embeddings(self) -> dict[str, int]:
        return dict(self.manifest.embeddings)

    @property
    def positions(self) -> tuple[str, ...]:
        return tuple(self.manifest.positions)

    @property
    def metadata(self) -> dict[str, Any]:
        return dict(self.manifest.metadata)

    @property
    def columns(self) -> Mapping[str, pa.DataType]:
        return self._schema.columns

    def __len__(self) -> int:
        return self.manifest.num_docs

    def search(
        self,
        expression: str | tree.Node,
        vectors: Mapping[str, object] | None = None,
        limit: int = 10,
        order_by: OrderBy | None = None,
        offset: int = 0,
        after: str | None = None,
        facets: Mapping[str, Facet] | None = None,
        only: tree.Node | None = None,
        partial_answer: bool = False,
        timeout_s: float | None = None,
    ) -> ShardedResult:
        """Evaluate one expression, a text or a tree, over all shards. The arguments are those of Collection.search.

        partial_answer: where shards do not answer, answer from the others, and say so in `coverage` and in a notice.
        timeout_s: for the whole answer. Raises what Collection.search raises, and UnreachableError.
        """
        started, deadline = time.perf_counter(), None if timeout_s is None else time.monotonic() + timeout_s
        check_limit(limit)
        given = check_vectors(vectors)
        alive = self._shards
        while True:
            try:
                asked = self._asked(alive, expression, given, limit, order_by, offset, after, facets, only, deadline)
                return asked.answer(started)
            except UnreachableError as error:
                alive = [shard for shard in alive if shard not in error.lost]
                if not partial_answer or not alive:
                    raise

    def search_many(
        self,
        expressions: Sequence[str | tree.Node],
        vectors: Mapping[str, np.ndarray] | None = None,
        limit: int = 10,
        order_by: OrderBy | None = None,
        facets: Mapping[str, Facet] | None = None,
    ) -> list[ShardedResult]:
        """Evaluate many expressions, one after the other. The arguments are those of Collection.search_many."""
        matrices = {name: check_matrix(name, matrix, len(expressions)) for name, matrix in (vectors or {}).items()}
        return [
            self.search(one, {name: matrix[at] for name, matrix in matrices.items()}, limit, order_by, facets=facets)
            for at, one in enumerate(expressions)
        ]

    def explain(
        self, expression: str | tree.Node, doc_id: str, vectors: Mapping[str, object] | None = None
    ) -> Reason | None:
        """Why a document is in the result of an expression, or is not; None: there is no such document."""
        prepared, given = prepare(expression), check_vectors(vectors)
        check_expression(prepared.named, self._schema, given)
        alive = self._shards
        facts = self._facts.known(spelled_nodes([prepared.root]), [], self._ask_facts(alive, None))
        request, text = secrets.token_hex(8), str(prepared.root)

        def message(replies: list[list[Reply]]) -> Message:
            return AskReason(self.manifest.version, request, text, doc_id, given, facts, replies)

        answers = ask_all(self._transport, alive, message, None)
        reason = answers[shard_of(doc_id, len(alive))].reason
        return None if reason is None else _reason(reason)

    def get(self, doc_id: str) -> dict[str, Any] | None:
        """doc_id, terms, static_rank and stored columns of a document; None if there is no such document."""
        shard = shard_of(doc_id, len(self.manifest.shards))
        read = AskDocument(self.manifest.version, doc_id)
        rows = from_stream(ask_all(self._transport, [shard], partial(_same, read), None)[shard].stream)
        return {name: python_values(rows[name])[0] for name in rows.column_names} if rows.num_rows else None

    def followed(self, folder: str | Path) -> ShardedCollection:
        """The version that is current in a folder, over the same shards; this one, until every shard has it.

        Searches of this one go on and end in its version. Raises ConfigError for another number of shards.
        """
        manifest = read_manifest(Path(folder))
        if manifest.version == self.manifest.version:
            return self
        if len(manifest.shards) != len(self.manifest.shards):
            raise ConfigError(
                f"{folder} has {len(manifest.shards)} shards now, and had {len(self.manifest.shards)}: start processes"
                " for them, and a router that knows these"
            )
        try:
            ask_all(self._transport, range(len(manifest.shards)), partial(_same, AskVersion(manifest.version)), None)
        except UnreachableError:
            return self
        return ShardedCollection(manifest, self._transport)

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- within

    def _asked(
        self,
        alive: list[int],
        expression: str | tree.Node,
        vectors: UnitVectors,
        limit: int,
        order_by: OrderBy | None,
        offset: int,
        after: str | None,
        facets: Mapping[str, Facet] | None,
        only: tree.Node | None,
        deadline: float | None,
    ) -> _ShardedSearch:
        """A search of some shards, checked, with the facts that it needs."""
        prepared, schema, ask = prepare(expression), self._schema, self._ask_facts(alive, deadline)
        facts = self._facts_about(only, alive, deadline)
        if prepared.doubted:
            prepared = _settled(prepared, facts, ask)
        order = check_order(order_by, prepared, schema.columns, schema.positions)
        check_expression(prepared.named, schema, vectors)
        ordering = Ordering(order, prepared, vectors, schema.columns)
        check_page(prepared, ordering, offset, after)
        wanted = check_facets(facets, schema.columns)
        known = facts.known(spelled_nodes([prepared.root]), counted_by(prepared, order), ask)
        first = AskSearch(
            self.manifest.version,
            secrets.token_hex(8),
            str(prepared.root),
            facts.only,
            vectors,
            int(offset + limit),
            int(limit),
            order_by,
            after,
            wanted,
            known,
            [],
        )
        return _ShardedSearch(self, alive, facts, first, ordering, offset, deadline)

    def _facts_of(self, alive: list[int]) -> KnownFacts:
        """Of some shards: those of a part are not remembered."""
        num_docs = sum(self.manifest.shards[shard].num_docs for shard in alive)
        return KnownFacts(self.manifest.version, alive, num_docs)

    def _facts_about(self, only: tree.Node | None, alive: list[int], deadline: float | None) -> KnownFacts:
        """Of the documents that may be seen. Those of all shards are remembered."""
        if only is None:
            return self._facts if alive == self._shards else self._facts_of(alive)
        text = str(only)
        known = self._of_parts.get(text) if alive == self._shards else None
        if known is None:
            check_expression(prepare(only).named, self._schema, {})
            found = self._asked(alive, only, UnitVectors(), 0, None, 0, None, None, None, deadline).answer(0.0)
            known = KnownFacts(self.manifest.version, alive, found.total, text)
            if alive == self._shards:
                self._of_parts = {**dict(list(self._of_parts.items())[1 - _MOST_PARTS :]), text: known}
        return known

    def _ask_facts(self, alive: Sequence[int], deadline: float | None) -> Callable[[AskFacts], list[OwnFacts]]:
        return lambda asked: list(ask_all(self._transport, alive, partial(_same, asked), deadline).values())

    def _missing(self, root: tree.Node, alive: list[int], facts: KnownFacts) -> tuple[str, ...]:
        ask = self._ask_facts(alive, None)
        return missing_terms(lambda term: facts.counts([("known", term)], ask)["known", term] > 0, root)

    def _fetch(self, shards: np.ndarray, segments: np.ndarray, numbers: np.ndarray, columns: list[str]) -> pa.Table:
        """Stored columns of documents by their addresses, in their order."""
        schema = pa.schema([("doc_id", pa.string()), *((name, self.columns[name]) for name in columns)])
        tables, places = [schema.empty_table()], [np.empty(0, dtype=np.int64)]
        for shard in np.unique(shards).tolist():
            here = np.flatnonzero(shards == shard)
            fetch = AskRows(self.manifest.version, segments[here], numbers[here], columns)
            answer = ask_all(self._transport, [shard], partial(_same, fetch), None)[shard]
            tables.append(from_stream(answer.stream).cast(schema))
            places.append(here)
        return pa.concat_tables(tables).take(pa.array(np.argsort(np.concatenate(places))))


class _ShardedSearch:
    """A search on its way to some shards."""

    def __init__(
        self,
        collection: ShardedCollection,
        alive: list[int],
        facts: KnownFacts,
        first: AskSearch,
        ordering: Ordering,
        offset: int,
        deadline: float | None,
    ) -> None:
        self._collection, self._alive, self._facts, self._first = collection, alive, facts, first
        self._ordering, self._offset, self._deadline = ordering, offset, deadline

    def answer(self, started: float) -> ShardedResult:
        """started: when the request came, by time.perf_counter."""
        first, alive, prepared = self._first, self._alive, self._ordering.prepared

        def message(replies: list[list[Reply]]) -> Message:
            return msgspec.structs.replace(first, replies=replies) if replies else first

        found: dict[int, ShardHits] = ask_all(self._collection._transport, alive, message, self._deadline)
        parts = list(found.values())
        total = sum(part.total for part in parts)
        if isinstance(prepared.root, tree.Nn) and prepared.root.k is not None:
            total = min(total, prepared.root.k)  # a shard may have counted its own k nearest
        hits, places = self._merged(found, total)
        notices = (*prepared.notices, *(parts[0].notices if self._facts.only is None else ()))
        coverage = self._coverage()
        if not coverage.is_whole:
            notices += (f"answered by {coverage.answered} of {coverage.shards} shards",)
        return ShardedResult(
            total,
            (time.perf_counter() - started) * 1000.0,
            facets_of(first.facets, [part.facets for part in parts]),
            coverage,
            first.version,
            self._ordering,
            notices,
            hits,
            places,
            self._collection._fetch,
            partial(self._collection._missing, prepared.root, alive, self._facts),
        )

    def _merged(self, found: Mapping[int, ShardHits], total: int) -> tuple[Gathered, np.ndarray]:
        """The hits that the shards gave, and the places of those of the page."""
        limit, order = self._first.shared, self._ordering.order
        lists = [(shard, part.hits) for shard, part in found.items()]
        num_best = sum(len(part.hits.ids) for part in found.values())
        shares = []
        for of_operand in zip(*([(shard, one) for one in part.shares] for shard, part in found.items()), strict=True):
            lists += of_operand
            shares.append(sum(len(one.ids) for _, one in of_operand))
        hits = Gathered.of(order, lists)
        root = self._ordering.prepared.root
        if shares and isinstance(root, tree.StrongOr) and limit < total:
            return hits, with_shares(hits, root, num_best, shares, limit)
        return hits, hits.first(np.arange(num_best), min(self._offset + limit, total))[self._offset :]

    def _coverage(self) -> Coverage:
        shards = self._collection.manifest.shards
        answered = sum(shards[shard].num_docs for shard in self._alive)
        return Coverage(len(shards), len(self._alive), self._collection.manifest.num_docs, answered)


def _settled(prepared: Prepared, facts: KnownFacts, ask: Callable[[AskFacts], list[OwnFacts]]) -> Prepared:
    """With terms in the places of fuzzy terms that are no misspellings."""
    counts = facts.counts([("having", node.term) for node in prepared.doubted], ask)
    right: dict[tree.Fuzzy, tree.Node] = {
        node: tree.Term(node.term, node.offset)
        for node in prepared.doubted
        if counts["having", node.term] >= (node.below or 0)
    }
    return prepare(tree.with_fuzzy_replaced(prepared.root, right)) if right else prepared


def _same(asked: Message, _: list[list[Reply]]) -> Message:
    """Of a message that has no rounds."""
    return asked


def _reason(described: Mapping[str, Any]) -> Reason:
    """The inverse of Reason.to_dict."""
    children = tuple(map(_reason, described.get("children", ())))
    return Reason(described["expression"], described["matches"], described["why"], children)
