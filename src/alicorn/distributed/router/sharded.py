"""ShardedCollection: the shards of a version, which answer as the one collection that they were made of."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
import pyarrow as pa

from alicorn.distributed.protocol.exchanges import Reply
from alicorn.distributed.protocol.manifest import ShardsManifest, read_manifest
from alicorn.distributed.protocol.messages import AskReason, AskStatus, Explained, LastWrite, Message, Status, Written
from alicorn.distributed.protocol.routing import shard_of
from alicorn.distributed.router.facts import KnownFacts, spelled_nodes
from alicorn.distributed.router.reach import REACH, reaching
from alicorn.distributed.router.search import SearchArguments, ShardedSearch, count
from alicorn.distributed.router.transport import LocalShards, Transport
from alicorn.distributed.router.version import ServedVersion
from alicorn.distributed.router.writing import WRITE_S, GivenRows, ShardPart, ShardWriter, VersionOverError, parts_of
from alicorn.distributed.shard.versions import ShardVersions
from alicorn.errors import CollectionError, UnreachableError
from alicorn.index import Snapshot
from alicorn.index.writer.store import Applied, Deletion, Updated
from alicorn.language import tree
from alicorn.language.order import OrderBy
from alicorn.language.prepared import prepare
from alicorn.query.check import check_expression, check_matrix, check_vectors
from alicorn.query.explain.reason import Reason
from alicorn.query.facets import Facet
from alicorn.query.result import Result
from alicorn.query.search import check_limit

_log = logging.getLogger(__name__)
_KEPT = 64  # moments that searches which began may end in
_TRIES = 4  # of a search, where moments pass quickly
_AGAIN_S = 0.2
_NEXT_VERSION_S = 0.05
_START_S = 1.0


class ShardedCollection:
    """What a Collection has for those who search (query/any_collection.py), over shards that a transport reaches.

    Every method may be called from any thread, and raises UnreachableError where a shard does not answer; `reaching`
    (router/reach.py) says how long it may take, and whether an answer of some shards will do.
    """

    is_remote = True
    num_rewritings = 0

    def __init__(self, folder: str | Path, transport: Transport) -> None:
        """folder: of the manifest that says which version is current. Raises CollectionError, CorruptionError."""
        self.folder = Path(folder)
        self._transport = transport
        self._writer = ShardWriter(transport)
        manifest = read_manifest(self.folder)
        self._num_shards = len(manifest.shards)
        self._lock = threading.Lock()
        self._takes_writes = False
        self._versions: tuple[ServedVersion, ...] = (ServedVersion(manifest, transport),)
        with reaching(timeout_s=_START_S):  # those that answer later are found when they do
            self.refresh()

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """The current version in a folder, all shards in this process, to be read. Raises CollectionError,
        CorruptionError."""
        shards: list[ShardVersions] = []
        try:
            for number in range(len(read_manifest(Path(folder)).shards)):
                shards.append(ShardVersions(Path(folder), number))
            return cls(folder, LocalShards(shards))
        except BaseException:
            LocalShards(shards).close()
            raise

    @property
    def read_only(self) -> bool:
        """Whether the shards take no writes."""
        return not self._takes_writes

    @property
    def manifest(self) -> ShardsManifest:
        """Of the version that is searched."""
        return self._versions[0].manifest

    @property
    def embeddings(self) -> dict[str, int]:
        return dict(self.manifest.embeddings)

    @property
    def positions(self) -> tuple[str, ...]:
        return tuple(self.manifest.positions)

    @property
    def metadata(self) -> dict[str, Any]:
        return dict(self.manifest.metadata)

    def __len__(self) -> int:
        return sum(self._versions[0].num_docs)

    def snapshot(self) -> Snapshot:
        """Without segments: the documents are in the shards."""
        return self._versions[0].snapshot

    def part(self, only: tree.Node | None) -> Snapshot:
        """The snapshot of the documents that may be seen, without segments."""
        version = self._versions[0]
        return version.snapshot if only is None else version.snapshot_of(self._facts_of(version, only), ())

    def holding(self, doc_ids: Sequence[str]) -> Snapshot:
        """A snapshot of these documents, fetched from their shards."""
        return self._versions[0].holding(doc_ids)

    def get(self, doc_id: str) -> dict[str, Any] | None:
        """doc_id, terms, static_rank and stored columns of a document; None if there is no such document."""
        snapshot = self.holding([doc_id])
        found = snapshot.find(doc_id)
        return None if found is None else snapshot.document(*found)

    def search(
        self,
        expression: str | tree.Node,
        vectors: Mapping[str, object] | None = None,
        limit: int = 10,
        order_by: OrderBy | None = None,
        explain: bool = False,
        offset: int = 0,
        after: str | None = None,
        facets: Mapping[str, Facet] | None = None,
        only: tree.Node | None = None,
        snapshot: Snapshot | None = None,
        lineage: bool = False,
    ) -> Result:
        """Evaluate one expression, a text or a tree, over all shards. Arguments and errors are those of
        Collection.search.

        Where a partial answer will do, it is that of the shards that answer; `coverage` and a notice say so.
        """
        started = time.perf_counter()
        check_limit(limit)
        given = check_vectors(vectors)
        version, tries = self._version_of(snapshot), 1
        asked = SearchArguments(expression, given, limit, order_by, explain, offset, after, facets, only, lineage)
        alive = version.shards
        while True:
            try:
                return ShardedSearch(version, alive, asked).result(started)
            except UnreachableError as error:
                if error.outdated and snapshot is None and tries < _TRIES:
                    self.refresh()
                    version, tries = self._versions[0], tries + 1
                    continue
                alive = [shard for shard in alive if shard not in error.lost]
                if not REACH.get().partial_answer or not alive:
                    raise

    def search_many(
        self,
        expressions: Sequence[str | tree.Node],
        vectors: Mapping[str, np.ndarray] | None = None,
        limit: int = 10,
        order_by: OrderBy | None = None,
        facets: Mapping[str, Facet] | None = None,
    ) -> list[Result]:
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
        version = self._versions[0]
        prepared, given = prepare(expression), check_vectors(vectors)
        check_expression(prepared.named, version.snapshot, given)
        facts = self._facts_of(version, None).known(
            spelled_nodes([prepared.root]), [], version.ask_facts(version.shards)
        )
        request, text = version.new_request(), str(prepared.root)

        def message(replies: list[list[Reply]]) -> Message:
            return AskReason(version.moment, request, text, doc_id, given, facts, replies)

        answer = version.ask(version.shards, message)[shard_of(doc_id, len(version.shards))]
        assert isinstance(answer, Explained)
        return None if answer.reason is None else _reason(answer.reason)

    def refresh(self) -> bool:
        """Go on to what is current: the version in the folder, once every shard has it, and what was written.

        Returns whether there was anything. Searches that began end in what they began with. Another number of shards
        needs other processes, and a router that is started with these: until then this version is searched.
        """
        manifest, version = read_manifest(self.folder), self._versions[0]
        if len(manifest.shards) != self._num_shards:
            _log.warning("%s has %d shards now, not %d", self.folder, len(manifest.shards), self._num_shards)
            manifest = version.manifest
        if manifest.version != version.manifest.version:
            newer = ServedVersion(manifest, self._transport)
            if len(found := self._statuses(newer)) == self._num_shards:
                with self._lock:
                    self._versions = (newer.after(found), *self._versions)[:_KEPT]
                return True
        return self._advance(self._statuses(version))

    def _statuses(self, version: ServedVersion) -> dict[int, tuple[LastWrite, int]]:
        """The last confirmed write of each shard that answers, and its documents then."""
        asked = dict.fromkeys(version.shards, AskStatus(version.manifest.version))
        answers = self._transport.ask(asked, REACH.get().deadline)
        found = {shard: one for shard, one in answers.items() if isinstance(one, Status)}
        self._takes_writes |= any(one.leads is not None for one in found.values())
        return {shard: (one.confirmed, one.num_docs) for shard, one in found.items()}

    def _advance(self, writes: Mapping[int, tuple[LastWrite, int]], version: str | None = None) -> bool:
        """See what was written to some shards -> whether that is new."""
        with self._lock:
            newest = self._versions[0]
            if version not in (None, newest.manifest.version):
                return False
            newer = newest.after(writes)
            if newer is newest:
                return False
            self._versions = (newer, *self._versions)[:_KEPT]
            return True

    def await_shards(self, timeout_s: float) -> None:
        """Return when every shard has the version that is searched. Raises UnreachableError after `timeout_s`."""
        until = time.monotonic() + timeout_s
        while True:
            try:
                self._versions[0].is_everywhere()
                return
            except UnreachableError:
                if time.monotonic() > until:
                    raise
                time.sleep(_AGAIN_S)

    def close(self) -> None:
        self._writer.close()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing: see router/writing.py

    def apply(self, upserts: pa.Table | None = None, deletes: Sequence[str] = (), given: GivenRows = None) -> Applied:
        """As Collection.apply, but for this: a write to several shards is not one transaction (router/writing.py)."""
        written = self._write(parts_of(self._versions[0], upserts, deletes, given, "upsert"), is_update=False)
        deleted = sum(one.deleted for one in written)
        return Applied(sum(one.written for one in written), deleted, len(set(deletes)) - deleted)

    def upsert(self, table: pa.Table) -> int:
        return self.apply(table).upserted

    def update(self, table: pa.Table, given: GivenRows = None) -> Updated:
        written = self._write(parts_of(self._versions[0], table, (), given, "update"), is_update=True)
        updated = sum(one.written for one in written)
        return Updated(updated, len(table) - updated)

    def delete(self, doc_ids: Sequence[str]) -> Deletion:
        return Deletion(*self.apply(deletes=doc_ids)[1:])

    def add_key(self, key: str, embedding: object) -> None:
        self._refuse("embedding keys")

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        self._refuse("metadata")

    # -- within

    def _facts_of(self, version: ServedVersion, only: tree.Node | None) -> KnownFacts:
        return version.facts(version.shards, only, partial(count, version, version.shards))

    def _write(self, parts: Mapping[int, ShardPart], is_update: bool) -> list[Written]:
        done: dict[int, Written] = {}
        until = REACH.get().deadline or time.monotonic() + WRITE_S
        while True:
            version = self._versions[0].manifest.version
            left = {shard: part for shard, part in parts.items() if shard not in done}
            try:
                return [*done.values(), *self._writer.write(version, left, is_update, self._wrote(version)).values()]
            except VersionOverError as over:
                done |= over.written
            if time.monotonic() > until:
                raise UnreachableError(
                    f"{self.folder}: version {version} takes no more writes, and the next is not everywhere yet:"
                    " write again",
                    lost=[shard for shard in left if shard not in done],
                )
            time.sleep(_NEXT_VERSION_S)
            self.refresh()

    def _wrote(self, version: str) -> Callable[[Mapping[int, Written]], None]:
        def wrote(done: Mapping[int, Written]) -> None:
            self._advance({shard: (one.last, one.num_docs) for shard, one in done.items()}, version)

        return wrote

    def _refuse(self, what: str) -> NoReturn:
        raise CollectionError(
            f"{self.folder}: the {what} of a version of shards do not change: change them in the collection that it was"
            " made of, and publish it again with --shards"
        )

    def _version_of(self, snapshot: Snapshot | None) -> ServedVersion:
        versions = self._versions
        for version in versions:
            if snapshot is None or version.snapshot.sequence == snapshot.sequence:
                return version
        raise CollectionError(f"{self.folder}: the version that was to be searched is not served any more: ask again")


def _reason(described: Mapping[str, Any]) -> Reason:
    """The inverse of Reason.to_dict."""
    children = tuple(map(_reason, described.get("children", ())))
    return Reason(described["expression"], described["matches"], described["why"], children)
