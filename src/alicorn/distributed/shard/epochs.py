"""Who led a shard when: a durable record that each of its copies keeps.

An epoch is the time in which one copy leads. A write has the number of its epoch and its place in the log, and two
logs that have one write alike are alike up to it (Ongaro and Ousterhout, In Search of an Understandable Consensus
Algorithm, USENIX ATC 2014, section 5.3).
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import msgspec

from alicorn.distributed.protocol.messages import Begun, LastWrite
from alicorn.errors import CorruptionError
from alicorn.index.durability.durable import rename, sync_file


class _Record(msgspec.Struct):
    """highest: the highest epoch that was heard of; led: the epoch in which this copy leads or led; begun: of each
    version, the epochs of its log with the number of the first operation of each; carried: of a version after another,
    the number of the last operation that was written to the one before, None where that is not known."""

    highest: int = 0
    led: int = 0
    begun: dict[str, list[Begun]] = {}
    carried: dict[str, int | None] = {}


class Epochs:
    """Every change is on the disk when it returns. Every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """path: of the file, which is made by the first change. Raises CorruptionError."""
        self._path, self._lock = path, threading.RLock()
        try:
            self._record = msgspec.json.decode(path.read_bytes(), type=_Record) if path.exists() else _Record()
        except msgspec.DecodeError as error:
            raise CorruptionError(
                f"{path} is no record of epochs: {error}. Remove the folder to copy it again"
            ) from error

    @property
    def highest(self) -> int:
        return self._record.highest

    @property
    def leads(self) -> bool:
        """Whether this copy leads in the highest epoch that it has heard of."""
        return 0 < self._record.led == self._record.highest

    def begun(self, version: str) -> list[Begun]:
        return self._record.begun.get(version, [])

    def write_at(self, version: str, operation: int) -> LastWrite:
        """The epoch of an operation, with its number."""
        return max((epoch for epoch, first in self.begun(version) if first <= operation), default=0), operation

    def hear(self, epoch: int) -> None:
        """Of another copy that leads or will: an older epoch is over."""
        with self._lock:
            if epoch > self._record.highest:
                self._record.highest = epoch
                self._save()

    def lead(self, epoch: int, version: str, first: int) -> None:
        """first: the number of the first operation in this epoch."""
        with self._lock:
            self._record.highest = self._record.led = epoch
            self.begin(version, [*self.begun(version), (epoch, first)])

    def begin(self, version: str, begun: list[Begun]) -> None:
        """Note the epochs of the log that is followed, before any operation of theirs."""
        with self._lock:
            if begun != self.begun(version):
                self._record.begun[version] = begun
                self._save()

    def carried(self, version: str) -> int | None:
        """The number of the operation with which the log has what was written to the version before; 0: there was
        none; None: not known yet."""
        return self._record.carried.get(version, 0)

    def carry(self, version: str, operation: int | None) -> None:
        with self._lock:
            if operation != self.carried(version):
                self._record.carried[version] = operation
                self._save()

    def forget(self, version: str) -> None:
        """Of a version that is not kept."""
        with self._lock:
            self._record.begun.pop(version, None)
            self._record.carried.pop(version, None)
            self._save()

    def versions(self) -> list[str]:
        """Those with a log, the oldest first."""
        return list(self._record.begun)

    def _save(self) -> None:
        unfinished = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with unfinished.open("wb") as file:
            file.write(msgspec.json.encode(self._record))
            sync_file(file, "epochs")
        rename(unfinished, self._path, "epochs")
