"""ShardedCollection: the shards of a version, which answer as the one collection that they were made of."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
import pyarrow as pa

from alicorn.distributed.protocol.exchanges import Reply
from alicorn.distributed.protocol.manifest import ShardsManifest, read_manifest
from alicorn.distributed.protocol.messages import AskReason, Explained, Message
from alicorn.distributed.protocol.routing import shard_of
from alicorn.distributed.router.facts import KnownFacts, spelled_nodes
from alicorn.distributed.router.reach import REACH
from alicorn.distributed.router.search import SearchArguments, ShardedSearch, count
from alicorn.distributed.router.transport import LocalShards, Transport
from alicorn.distributed.router.version import ServedVersion
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
_KEPT = 2  # versions that searches which began may end in
_AGAIN_S = 0.2


class ShardedCollection:
    """What a Collection has for those who search (query/any_collection.py), over shards that a transport reaches.

    Every method may be called from any thread, and raises UnreachableError where a shard does not answer; `reaching`
    (router/reach.py) says how long it may take, and whether an answer of some shards will do.
    """

    read_only = True
    is_remote = True
    num_rewritings = 0

    def __init__(self, folder: str | Path, transport: Transport) -> None:
        """folder: of the manifest that says which version is current. Raises CollectionError, CorruptionError."""
        self.folder = Path(folder)
        self._transport = transport
        self._num_shards = len(read_manifest(self.folder).shards)
        self._versions: tuple[ServedVersion, ...] = (ServedVersion(read_manifest(self.folder), transport),)

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """The current version in a folder, all shards in this process. Raises CollectionError, CorruptionError."""
        shards: list[ShardVersions] = []
        try:
            for number in range(len(read_manifest(Path(folder)).shards)):
                shards.append(ShardVersions(Path(folder), number))
            return cls(folder, LocalShards(shards))
        except BaseException:
            LocalShards(shards).close()
            raise

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
        return self.manifest.num_docs

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
        version = self._version_of(snapshot)
        asked = SearchArguments(expression, given, limit, order_by, explain, offset, after, facets, only, lineage)
        alive = version.shards
        while True:
            try:
                return ShardedSearch(version, alive, asked).result(started)
            except UnreachableError as error:
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
            return AskReason(version.manifest.version, request, text, doc_id, given, facts, replies)

        answer = version.ask(version.shards, message)[shard_of(doc_id, len(version.shards))]
        assert isinstance(answer, Explained)
        return None if answer.reason is None else _reason(answer.reason)

    def refresh(self) -> bool:
        """Go on to the version that is current in the folder, once every shard has it -> whether there was another.

        Searches that began end in theirs. Another number of shards needs other processes, and a router that is started
        with these: until then this version is searched.
        """
        manifest = read_manifest(self.folder)
        if manifest.version == self.manifest.version:
            return False
        if len(manifest.shards) != self._num_shards:
            _log.warning("%s has %d shards now, not %d", self.folder, len(manifest.shards), self._num_shards)
            return False
        version = ServedVersion(manifest, self._transport)
        try:
            version.is_everywhere()
        except UnreachableError:
            return False
        self._versions = (version, *self._versions)[:_KEPT]
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
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing, which shards do not take

    def apply(self, upserts: pa.Table | None = None, deletes: Sequence[str] = (), given: object = None) -> Applied:
        self._refuse()

    def update(self, table: pa.Table, given: object = None) -> Updated:
        self._refuse()

    def delete(self, doc_ids: Sequence[str]) -> Deletion:
        self._refuse()

    def add_key(self, key: str, embedding: object) -> None:
        self._refuse()

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        self._refuse()

    # -- within

    def _facts_of(self, version: ServedVersion, only: tree.Node | None) -> KnownFacts:
        return version.facts(version.shards, only, partial(count, version, version.shards))

    def _refuse(self) -> NoReturn:
        raise CollectionError(
            f"{self.folder} is a version of shards, which does not change: write to the collection that it was made of,"
            " and publish it again with --shards"
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
