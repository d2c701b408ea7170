"""The versions of one shard in a folder: opened when they are asked for, the newest two kept.

Searches that began before a new version was published end in theirs. A message of any other version is refused.
"""

from __future__ import annotations

import threading
from pathlib import Path

from alicorn.distributed.protocol.manifest import folder_of, read_manifest
from alicorn.distributed.protocol.messages import Answer, Message, NotHere
from alicorn.distributed.shard.shard import OpenShard
from alicorn.errors import AlicornError, ConfigError
from alicorn.query import Collection

_KEPT = 2  # versions


class ShardVersions:
    """Every method may be called from any thread."""

    def __init__(self, folder: Path, number: int) -> None:
        """Opens the current version. Raises CollectionError, CorruptionError, ConfigError."""
        self._folder, self._number = folder, number
        self._lock = threading.Lock()
        self._versions: dict[str, OpenShard] = {}
        self._open_current()

    def answer(self, asked: Message) -> Answer:
        shard = self._versions.get(asked.version)
        if shard is None:
            try:
                self._open_current()
            except AlicornError as error:
                return NotHere(str(error))
            shard = self._versions.get(asked.version)
        if shard is None:
            return NotHere(f"it has version {' and '.join(self._versions)}, not {asked.version}")
        return shard.answer(asked)

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
            root = folder_of(manifest, self._folder)
            opened = Collection.open(root / manifest.shards[self._number].folder, read_only=True)
            kept = list(self._versions.items())[1 - _KEPT :]
            self._versions = {**dict(kept), manifest.version: OpenShard(opened)}
