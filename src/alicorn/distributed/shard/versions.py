"""The versions of one shard in a folder: opened when they are asked for, the newest two kept.

Searches that began before a new version was published end in theirs. A message of any other version is refused.

A process that takes writes has a folder of its own:

    <data>/epochs.json    who led when (epochs.py)
           <version>/     a copy of the shard of that version, with what was written since
"""

from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path
from typing import NamedTuple

from alicorn.distributed.protocol.manifest import ShardsManifest, folder_of, read_manifest
from alicorn.distributed.protocol.messages import Answer, AskStatus, Message, NotHere, ReadMessage, Status
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
        self._open_current()

    @property
    def newest(self) -> PublishedShard | WrittenShard:
        """The version that was opened last."""
        return list(self._versions.values())[-1]

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
        """Open the version that is current in the folder, if that may be."""
        try:
            self._open_current()
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
            shutil.rmtree(shard.collection.path)
            self._versions = {**self._versions, version: self._opened(read_manifest(self._folder))}

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
            if isinstance(newest, WrittenShard) and not newest.retire():
                raise CollectionError(
                    f"version {manifest.version} of {self._folder} has not what was written to version"
                    f" {newest.version}: publish one that has, and start the processes of the shards with a new --data"
                )
            try:
                opened = self._opened(manifest)
            except BaseException:
                if isinstance(newest, WrittenShard):
                    newest.stay()
                raise
            self._versions = {**dict(list(self._versions.items())[1 - _KEPT :]), manifest.version: opened}

    def _opened(self, manifest: ShardsManifest) -> PublishedShard | WrittenShard:
        published = folder_of(manifest, self._folder) / manifest.shards[self._number].folder
        if self._writable is None or self._epochs is None:
            return PublishedShard(Collection.open(published, read_only=True))
        own = self._writable.data / manifest.version
        if not own.exists():
            shutil.rmtree(own.with_name(f"{own.name}.partial"), ignore_errors=True)
            back_up(published, own)
        collection = Collection.open(own, as_shard=True)
        shard = WrittenShard(collection, manifest.version, self._epochs, self._writable.copies)
        shard.resume()
        return shard
