"""A copy of a shard that is written: it leads, or it follows the copy that does.

The journal of the collection is the log. The copy that leads writes to its own, and gives what was written to those
that ask; what a copy asks after is on its disk. A write is confirmed once it is on the disks of `copies` copies, and of
every copy that keeps up. Which copy leads is said from outside (`fence`, then `lead`), and an older epoch is over as
soon as a newer one is heard of: there is no election here.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

import pyarrow as pa

from alicorn.distributed.protocol.codec import from_stream, to_stream
from alicorn.distributed.protocol.messages import (
    Answer,
    AskLog,
    AskWrite,
    Diverged,
    Fence,
    LastWrite,
    Lead,
    LogPart,
    NotHere,
    Status,
    ToCopy,
    Unconfirmed,
    Written,
)
from alicorn.distributed.shard.epochs import Epochs
from alicorn.distributed.shard.shard import OpenShard, refusal
from alicorn.errors import AlicornError
from alicorn.index import Snapshot
from alicorn.index.durability.journal import written_at
from alicorn.query import Collection

_RECENT = 128  # moments that may still be asked for
_ASKED = 256  # moments that were asked for, whose hits may still be read
_AWAIT_S = 0.05  # for a write that a search names and that is on its way
_KEEPS_UP_S = 1.0  # a copy that has not asked for so long does not keep up
_READY_S = 1.0
_CONFIRM_S = 5.0  # how long a write waits for copies
_PART_BYTES = 4 << 20
_NOTHING = [("delete", pa.table({"doc_id": pa.nulls(0, pa.string())}))]


@dataclass
class _Follower:
    """A copy that asks for the log. last: the number of the last operation on its disk; told: what it knows to be
    confirmed; asked_at: by time.monotonic."""

    last: int
    told: int
    asked_at: float
    keeps_up: bool


class WrittenShard:
    """Every method may be called from any thread."""

    def __init__(self, collection: Collection, version: str, epochs: Epochs, copies: int) -> None:
        """collection: open `as_shard`. copies: on how many disks a write is before it is acknowledged, this among
        them."""
        self.collection, self.version, self.epochs = collection, version, epochs
        self._copies = copies
        self.successor: WrittenShard | None = None
        self._writing = threading.Lock()  # held while the collection is written, which takes the disk's time
        self._changed = threading.Condition()  # of all below, held for moments
        self._recent: OrderedDict[LastWrite, OpenShard] = OrderedDict()
        self._asked: OrderedDict[LastWrite, OpenShard] = OrderedDict()
        self._followers: dict[str, _Follower] = {}
        self._last = self._confirmed = collection.last_operation
        with self._changed:
            self._note(self._last, collection.snapshot())

    @property
    def last(self) -> LastWrite:
        return self.epochs.write_at(self.version, self._last)

    @property
    def is_whole(self) -> bool:
        """Whether it has what was written to the version before, as far as its documents lack it."""
        carried = self.epochs.carried(self.version)
        return carried is not None and self._last >= carried

    @property
    def is_open(self) -> bool:
        """Whether routers may go on to it: it is whole, on as many disks as a write has to be."""
        with self._changed:
            if self.leads:
                self._confirm()
            return self.is_whole and self._confirmed >= (self.epochs.carried(self.version) or 0)

    @property
    def is_over(self) -> bool:
        """Whether another version takes the writes."""
        return self.successor is not None and self.successor.is_whole

    @property
    def leads(self) -> bool:
        return self.epochs.leads and self.is_whole and not self.is_over

    @property
    def was_written(self) -> bool:
        """Whether there is any operation beside the one with which each epoch begins."""
        return self._last > len(self.epochs.begun(self.version))

    def carry(self, before: WrittenShard, written_until: float) -> None:
        """Take what was written to the version before from a time on, and with it the writes: that version is over.

        Call it in one thread, where this copy leads and has nothing of this version's log. Where another copy leads
        meanwhile, this one is not whole.
        """
        epoch = self.epochs.highest
        with self._writing:
            self.epochs.begin(self.version, [(epoch, 1)])
            self._repeat(_NOTHING)
        done = before.last_before(written_until)
        while done < before.last[1]:
            done = self._carried(before, done)
        with before._writing:
            while done < before.last[1]:
                done = self._carried(before, done)
            if before.leads and self.epochs.highest == epoch:
                self.epochs.carry(self.version, self._last)
        with before._changed:
            before._changed.notify_all()

    def _carried(self, before: WrittenShard, done: int) -> int:
        """Repeat some operations after `done` -> the number of the last."""
        operations = before.collection.operations(done, _PART_BYTES)
        changing = [(kind, table) for kind, table in operations if len(table)]
        if changing:
            with self._writing:
                self._repeat(changing)
        return done + len(operations)

    def last_before(self, written_until: float) -> int:
        """The number of the last operation before the first that is of this time or later, in seconds since 1970."""
        done = 0
        while operations := self.collection.operations(done, _PART_BYTES):
            for _, table in operations:
                if (at := written_at(table)) is None or at >= written_until:
                    return done
                done += 1
        return done

    def at(self, write: LastWrite) -> OpenShard | None:
        """The shard as it was after a write; None where it has it not yet, or not any more."""
        until = time.monotonic() + _AWAIT_S
        with self._changed:
            if write[1] < (self.epochs.carried(self.version) or 0):
                return None  # what was written to the version before is not in it
            while (found := self._asked.get(write) or self._recent.get(write)) is None:
                left_s = until - time.monotonic()
                if write <= self.last or left_s <= 0.0:
                    return None
                self._changed.wait(left_s)
            self._asked[write] = found
            self._asked.move_to_end(write)
            if len(self._asked) > _ASKED:
                self._asked.popitem(last=False)
            return found

    def status(self) -> Status:
        with self._changed:
            return self._status()

    def _status(self) -> Status:
        if self.epochs.leads:
            self._confirm()
        write = self.epochs.write_at(self.version, min(self._confirmed, self._last))
        if write not in self._recent:
            write = self.last
        num_docs = self._recent[write].snapshot.num_docs
        epoch = self.epochs.highest
        return Status(write, num_docs, self.last, epoch, self.leads, self._copies, is_over=self.is_over)

    def answer(self, asked: ToCopy) -> Answer:
        match asked:
            case AskWrite():
                return self._write(asked)
            case AskLog():
                return self._log(asked)
            case Fence():
                self.hear(asked.epoch)
                return self.status()
            case Lead():
                return self._lead(asked.epoch)

    def hear(self, epoch: int) -> None:
        """Of an epoch: older ones are over."""
        with self._changed:
            self._hear(epoch)

    # -- leading

    def _lead(self, epoch: int) -> Answer:
        with self._writing:
            with self._changed:
                if epoch < self.epochs.highest:
                    return NotHere(f"it has heard of epoch {self.epochs.highest}, and {epoch} is over")
                if self.is_over:
                    return NotHere("another version takes the writes", is_over=True)
                if not (self.epochs.leads and epoch == self.epochs.highest):
                    self.epochs.lead(epoch, self.version, self._last + 1)
                    self._followers.clear()
            self._repeat(_NOTHING)  # what was written before is confirmed together with an operation of this epoch
        return self.status()

    def _write(self, asked: AskWrite) -> Answer:
        with self._writing:
            with self._changed:
                self._hear(asked.epoch)
                if not self.leads:
                    return NotHere(f"it does not lead in epoch {self.epochs.highest}", is_over=self.is_over)
                ready = self._await_copies()
            if ready < self._copies:
                return Unconfirmed(f"a write needs {self._copies} copies, and {ready} can have it now", False)
            try:
                written, deleted = self._changes(asked)
            except AlicornError as error:
                return refusal(error)
            with self._changed:
                shard = self._note(self.collection.last_operation, self.collection.snapshot())
                last = self.last
        until = time.monotonic() + _CONFIRM_S
        with self._changed:
            while self._confirm() < last[1] and self.epochs.leads and time.monotonic() < until:
                self._changed.wait(0.1)
            if self._confirmed < last[1] or not self.epochs.leads:
                return Unconfirmed(f"a write is not on {self._copies} copies yet", True)
        return Written(last, shard.snapshot.num_docs, written, deleted)

    def _changes(self, asked: AskWrite) -> tuple[int, int]:
        """Do what is asked -> how many documents were written, and how many deleted. Raises what `apply` raises."""
        upserts = None if asked.upserts is None else from_stream(asked.upserts)
        if asked.checks:
            if upserts is not None:
                self.collection.check_apply(upserts, asked.deletes, asked.given)
            return 0, 0
        if asked.updates is not None:
            return self.collection.update(from_stream(asked.updates), asked.given).updated, 0
        applied = self.collection.apply(upserts, asked.deletes, asked.given)
        return applied.upserted, applied.deleted

    def _log(self, asked: AskLog) -> Answer:
        """What comes after what the other copy has, once there is something, or something is confirmed."""
        with self._changed:
            self._hear(asked.epoch)
            if not (self.epochs.leads and self.is_whole):
                return NotHere(f"it does not lead in epoch {self.epochs.highest}")
            last = asked.last[1]
            if last > self._last or self.epochs.write_at(self.version, last) != asked.last:
                return Diverged()
            known = self._followers.get(asked.copy)
            told = 0 if known is None else known.told
            follower = _Follower(last, told, time.monotonic(), last >= self._confirmed)
            self._followers[asked.copy] = follower
            self._confirm()
            until = time.monotonic() + asked.wait_s
            while self.epochs.leads and self._last == last and self._confirmed <= told:
                if self.is_over:  # the copy has all of it
                    return NotHere("another version takes the writes", is_over=True)
                left_s = until - time.monotonic()
                if left_s <= 0.0:
                    break
                self._changed.wait(left_s)
            follower.told, follower.asked_at = self._confirmed, time.monotonic()
            begun, highest = self.epochs.begun(self.version), self.epochs.highest
            carried = self.epochs.carried(self.version) or 0
        operations = self.collection.operations(last, _PART_BYTES)
        streams = [(kind, to_stream(table)) for kind, table in operations]
        return LogPart(highest, begun, follower.told, carried, streams)

    def _await_copies(self) -> int:
        """How many copies can have a write now: those that follow need a moment to find the one that leads."""
        until = time.monotonic() + _READY_S
        while (ready := 1 + len(self._keeping_up())) < self._copies and time.monotonic() < until:
            self._changed.wait(0.05)
        return ready

    def _keeping_up(self) -> list[_Follower]:
        """The copies that have what is confirmed and ask for more."""
        since = time.monotonic() - _KEEPS_UP_S
        for one in self._followers.values():
            one.keeps_up = one.keeps_up and one.asked_at > since
        return [one for one in self._followers.values() if one.keeps_up]

    def _confirm(self) -> int:
        """The number of the last operation that is on `copies` disks, and on those of all copies that keep up."""
        held = sorted([self._last, *(one.last for one in self._followers.values())], reverse=True)
        if len(held) >= self._copies:
            confirmed = min([held[self._copies - 1], *(one.last for one in self._keeping_up())])
            if confirmed > self._confirmed:
                self._confirmed = confirmed
                self._changed.notify_all()
        return self._confirmed

    # -- following

    def follow(self, part: LogPart) -> bool:
        """Do what the copy that leads did -> whether it leads still: nothing is taken from an older epoch."""
        operations = [(kind, from_stream(stream)) for kind, stream in part.operations]
        with self._writing:
            with self._changed:
                if part.epoch < self.epochs.highest or self.epochs.leads:
                    return False
                self._hear(part.epoch)
                self.epochs.carry(self.version, part.carried)
                self.epochs.begin(self.version, part.begun)
            if operations:
                self._repeat(operations)
            with self._changed:
                self._confirmed = max(self._confirmed, min(part.confirmed, self._last))
        return True

    # -- both

    def _repeat(self, operations: list[tuple[str, pa.Table]]) -> None:
        """Call this while no other thread writes."""
        first = self.collection.last_operation + 1
        snapshots = self.collection.repeat(operations)
        with self._changed:
            for number, snapshot in enumerate(snapshots, first):
                self._note(number, snapshot)

    def _note(self, operation: int, snapshot: Snapshot) -> OpenShard:
        """Keep the shard as it is after an operation."""
        self._last = operation
        write = self.last
        shard = self._recent[write] = self._recent.get(write) or OpenShard(snapshot)
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        self._changed.notify_all()
        return shard

    def _hear(self, epoch: int) -> None:
        self.epochs.hear(epoch)
        self._changed.notify_all()
