"""One shard of a sharded collection, answered for over a socket until the process ends.

It opens the versions that it is asked for, if the manifest in its folder is of that version, and keeps the newest two:
searches that began before a new version was published end in theirs. A message of any other version is refused.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import msgspec

from alicorn.distributed.processes.frames import FrameReader, send_frame
from alicorn.distributed.protocol.codec import decode_request, encode
from alicorn.distributed.protocol.manifest import folder_of, read_manifest
from alicorn.distributed.protocol.messages import Answer, Message, NotHere, Refused
from alicorn.distributed.shard.shard import OpenShard
from alicorn.errors import AlicornError, ConfigError
from alicorn.query import Collection

_KEPT = 2  # versions


class ShardServer:
    """The versions of shard `number` in a folder."""

    def __init__(self, folder: Path, number: int) -> None:
        """Opens the current version. Raises CollectionError, CorruptionError, ConfigError."""
        self._folder, self._number = folder, number
        self._lock = threading.Lock()
        self._versions: dict[str, OpenShard] = {}
        self._open_current()

    def serve(self, listener: socket.socket) -> None:
        """Answer every connection in a thread of its own, until the listener is closed."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

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

    def _converse(self, connection: socket.socket) -> None:
        reader = FrameReader(connection)
        with connection:
            try:
                while (message := reader.read()) is not None:
                    send_frame(connection, encode(self._answer_to(message)))
            except OSError:
                return  # the router has gone, or has its answer from another

    def _answer_to(self, message: bytes) -> Answer:
        try:
            asked = decode_request(message)
        except msgspec.DecodeError as error:
            return Refused("AlicornError", f"the message of a router cannot be read: {error}")
        return self.answer(asked)

    def _open_current(self) -> None:
        with self._lock:
            manifest = read_manifest(self._folder)
            if manifest.version in self._versions:
                return
            if not 0 <= self._number < len(manifest.shards):
                raise ConfigError(
                    f"{self._folder} has {len(manifest.shards)} shards, numbered from 0: no {self._number}"
                )
            opened = Collection.open(
                folder_of(manifest, self._folder) / manifest.shards[self._number].folder, read_only=True
            )
            kept = dict(list(self._versions.items())[1 - _KEPT :])
            self._versions = {**kept, manifest.version: OpenShard(opened)}
