"""The versions of one shard in a folder: opened when they are asked for, the newest two kept.

Searches that began before a new version was published end in theirs. A message of any other version is refused.

A process that takes writes has a folder of its own:

    <data>/epochs.json    who led when (epochs.py)
           <version>/     a copy of the shard of that version, with what was written since

A new version takes over what was written to the one before and is not in its documents: the copy that leads writes it
to the log of the new version, and the others follow that log. Until a copy has all of it, it answers for the version
before.
"""

from __future__ import annotations

import logging
import math
import shutil
import threading
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from alicorn.distributed.protocol.manifest import ShardsManifest, read_manifest
from alicorn.distributed.protocol.messages import (
    Answer,
    AskLog,
    AskStatus,
    Fence,
    Lead,
    Message,
    NotHere,
    ReadMessage,
    Status,
)
from alicorn.distributed.shard.epochs import Epochs
from alicorn.distributed.shard.shard import OpenShard
from alicorn.distributed.shard.written import WrittenShard
from alicorn.errors import AlicornError, CollectionError, ConfigError
from alicorn.index.state.backup import back_up
from alicorn.query import Collection

_log = logging.getLogger(__name__)
_KEPT = 2  # versions
_UNWRITTEN = (0, 0)


class PublishedShard:
    """A shard of a version that does not change."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self._shard = OpenShard(collection.snapshot())

    def at(self, write: tuple[int, int]) -> OpenShard | None:
        return self._shard if write == _UNWRITTEN else None

    def status(self) -> Status:
        return Status(_UNWRITTEN, len(self.collection))


class Writable(NamedTuple):
    """data: the folder for what is written. copies: on how many disks a write is before it is acknowledged."""

    data: Path
    copies: int = 1


class ShardVersions:
    """Every method may be called from any thread."""

    def __init__(self, folder: Path, number: int, writable: Writable | None = None) -> None:
        """Opens the current version. writable: None: the shard is only read. Raises CollectionError, CorruptionError,
        ConfigError."""
        self._folder, self._number = folder, number
        self._lock = threading.Lock()
        self._versions: dict[str, PublishedShard | WrittenShard] = {}
        self._writable, self._epochs = writable, None
        if writable is not None:
            writable.data.mkdir(parents=True, exist_ok=True)
            self._epochs = Epochs(writable.data / "epochs.json")
        self._refused = ""
        self._open_before()
        self._open_current()

    @property
    def newest(self) -> PublishedShard | WrittenShard:
        """The version that was opened last."""
        return list(self._versions.values())[-1]

    def before(self, newest: WrittenShard) -> WrittenShard | None:
        """The version before the newest, where that is not whole yet."""
        found = list(self._versions.values())[-2:-1]
        return found[0] if found and isinstance(found[0], WrittenShard) and not newest.is_whole else None

    def some_terms(self) -> list[str]:
        """Two terms of a document of the newest version, or fewer."""
        for view in self.newest.collection.snapshot().segments:
            terms: list[str] = view.segment.document(0)["terms"]
            return terms[:2]
        return []

    def answer(self, asked: Message) -> Answer:
        version = asked.moment.version if isinstance(asked, ReadMessage) else asked.version
        shard = self._versions.get(version)
        if shard is None:
            try:
                self._open_current()
            except AlicornError as error:
                return NotHere(str(error))
            shard = self._versions.get(version)
        if shard is None:
            return NotHere(f"it has version {' and '.join(self._versions)}, not {version}")
        if isinstance(shard, WrittenShard):
            before = self.before(shard)
            if isinstance(asked, AskStatus) and not asked.of_copy and not shard.is_open:
                return NotHere(f"it has not yet all that was written to the version before {version}")
            if before is not None and isinstance(asked, AskStatus | Fence | Lead):
                answer = before.status() if isinstance(asked, AskStatus) else before.answer(asked)
                return msgspec.structs.replace(answer, is_whole=False) if isinstance(answer, Status) else answer
            if before is not None and not isinstance(asked, ReadMessage | AskLog):
                return NotHere(f"it has not yet all that was written to the version before {version}")
        if isinstance(asked, AskStatus):
            return shard.status()
        if not isinstance(asked, ReadMessage):
            return shard.answer(asked) if isinstance(shard, WrittenShard) else NotHere("it takes no writes")
        write = asked.moment.writes[self._number]
        found = shard.at(write)
        if found is None:
            return NotHere(f"it is not at write {write[1]} of epoch {write[0]}", behind=True)
        return found.answer(asked)

    def refresh(self) -> None:
        """Open the version that is current in the folder, if that may be, and let it take over where this copy leads.

        Of one that takes writes, call it in one thread."""
        try:
            self._open_current()
            self._carry()
        except AlicornError as error:
            if str(error) != self._refused:
                _log.warning("%s", error)
            self._refused = str(error)

    def begin_anew(self, version: str) -> None:
        """Throw away what a copy that takes writes has, which the copy that leads has not."""
        with self._lock:
            shard = self._versions[version]
            assert isinstance(shard, WrittenShard)
            shard.collection.close()
            shard.epochs.begin(version, [])
            if shard.epochs.carried(version) != 0:
                shard.epochs.carry(version, None)
            shutil.rmtree(shard.collection.path)
            self._keep({**self._versions, version: self._opened(version)})

    def close(self) -> None:
        for shard in self._versions.values():
            shard.collection.close()

    def _open_current(self) -> None:
        with self._lock:
            manifest = read_manifest(self._folder)
            if manifest.version in self._versions:
                return
            if self._number >= len(manifest.shards):
                raise ConfigError(
                    f"{self._folder} has {len(manifest.shards)} shards, numbered from 0, and no {self._number}"
                )
            newest = self.newest if self._versions else None
            if isinstance(newest, WrittenShard) and self.before(newest) is not None:
                self._drop([newest.version])  # it never had what was written to the one before
            self._drop(list(self._versions)[: 1 - _KEPT])
            opened = self._opened(manifest.version)
            begun = self._epochs is not None and any(map(self._epochs.begun, self._versions))
            if begun and isinstance(opened, WrittenShard) and not opened.epochs.begun(manifest.version):
                opened.epochs.carry(manifest.version, None)
            self._keep({**self._versions, manifest.version: opened})

    def _open_before(self) -> None:
        """The version before the current one, which this copy may have all of when it has not all of that."""
        if self._writable is None or self._epochs is None:
            return
        current = read_manifest(self._folder).version
        known = [one for one in self._epochs.versions() if one != current and self._epochs.carried(one) is not None]
        for version in [one for one in known if (self._writable.data / one).is_dir()][-1:]:
            self._versions = {version: self._opened(version)}

    def _carry(self) -> None:
        """Raises CollectionError where the newest version cannot take over what was written to the one before."""
        newest = self.newest
        if not isinstance(newest, WrittenShard):
            return
        before, manifest = self.before(newest), read_manifest(self._folder)
        if before is None or not before.leads or newest.version != manifest.version:
            return
        self._check_carried(before, manifest)
        if newest.collection.last_operation:  # of a copy that led before, or of this one before it was killed
            self.begin_anew(newest.version)
            self._carry()
            return
        until = None if manifest.written_until is None else datetime.fromisoformat(manifest.written_until).timestamp()
        newest.carry(before, math.inf if until is None else until)

    def _check_carried(self, before: WrittenShard, manifest: ShardsManifest) -> None:
        if not before.was_written:
            return
        if manifest.written_until is None:
            raise CollectionError(
                f"version {manifest.version} of {self._folder} may lack what was written to version {before.version},"
                " which goes on: publish it with --written-until TIME, the time until which its documents have what"
                " was written"
            )
        snapshot, columns = before.collection.snapshot(), {one.name: one.type for one in manifest.schema}
        differ = [
            what
            for what, differs in (
                ("models or vertical", manifest.metadata != before.collection.metadata),
                ("embedding keys", manifest.embeddings != dict(snapshot.embeddings)),
                ("positions", sorted(manifest.positions) != sorted(snapshot.positions)),
                ("stored columns", any(columns.get(name) != kind for name, kind in snapshot.columns.items())),
            )
            if differs
        ]
        if differ:
            raise CollectionError(
                f"version {manifest.version} of {self._folder} has other {', '.join(differ)} than version"
                f" {before.version}, to which documents were written, and which goes on: stop writing, publish"
                " documents that have all of it, and start the processes of the shards with a new --data"
            )

    def _keep(self, versions: dict[str, PublishedShard | WrittenShard]) -> None:
        written = [one for one in versions.values() if isinstance(one, WrittenShard)]
        for one, successor in pairwise(written):
            one.successor = successor
        self._versions = versions

    def _drop(self, versions: list[str]) -> None:
        """Of those that were written, the copies go, with their logs."""
        for version in versions:
            shard = self._versions[version]
            if isinstance(shard, WrittenShard):
                shutil.rmtree(shard.collection.path, ignore_errors=True)  # not closed: it may be answering
                shard.epochs.forget(version)
        self._keep({version: one for version, one in self._versions.items() if version not in versions})

    def _opened(self, version: str) -> PublishedShard | WrittenShard:
        published = self._folder / "versions" / version / f"shard-{self._number}"
        if self._writable is None or self._epochs is None:
            return PublishedShard(Collection.open(published, read_only=True))
        own = self._writable.data / version
        if not own.exists():
            shutil.rmtree(own.with_name(f"{own.name}.partial"), ignore_errors=True)
            back_up(published, own)
        return WrittenShard(Collection.open(own, as_shard=True), version, self._epochs, self._writable.copies)
