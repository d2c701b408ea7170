"""Writes to shards: documents go to the copy that leads the shard of their ids.

A write is checked whole before any shard has it: by the router what follows from the columns, by every shard what
follows from its documents. Then each shard writes its part, all of it or nothing. A write to several shards is not one
transaction: where a shard fails after the checks, the error says which have their parts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from alicorn.distributed.protocol.codec import to_stream
from alicorn.distributed.protocol.messages import Answer, AskStatus, AskWrite, NotHere, Refused, Status, Written
from alicorn.distributed.protocol.routing import shards_of
from alicorn.distributed.router.reach import REACH
from alicorn.distributed.router.rounds import error_of
from alicorn.distributed.router.transport import Lost, Transport
from alicorn.distributed.router.version import ServedVersion
from alicorn.errors import AlicornError, CollectionError, TableError, UnreachableError
from alicorn.index.writer.checks.arguments import checked_given, checked_ids
from alicorn.index.writer.checks.documents import check_table
from alicorn.tables import one_chunk

WRITE_S = 15.0  # of a shard, where the request has no deadline
_THREADS = 8
_LEFT_OUT = ("doc_id", "terms", "static_rank", "term_positions")

GivenRows = Mapping[str, Sequence[bool] | np.ndarray] | None


@dataclass(frozen=True)
class ShardPart:
    """What one shard is to write. rows: of the whole table."""

    rows: np.ndarray
    table: bytes | None
    deletes: list[str]
    given: dict[str, np.ndarray]

    def message(self, version: str, epoch: int, is_update: bool, checks: bool) -> AskWrite:
        upserts, updates = (None, self.table) if is_update else (self.table, None)
        return AskWrite(version, epoch, upserts, updates, self.deletes, self.given, checks)

    def error_of(self, refused: Refused) -> AlicornError:
        """With the row of the whole table."""
        error = error_of(refused)
        if isinstance(error, TableError) and error.row is not None and error.row < len(self.rows):
            row = int(self.rows[error.row])
            error.args = (str(error).replace(f"row {error.row}: ", f"row {row}: ", 1),)
            error.row = row
        return error


def parts_of(
    version: ServedVersion, table: pa.Table | None, deletes: Sequence[str], given: GivenRows, verb: str
) -> dict[int, ShardPart]:
    """By the number of the shard. Raises TableError, VectorError."""
    num_shards, ids = len(version.shards), checked_ids(deletes)
    of_ids, of_rows, masks = shards_of(ids, num_shards), np.empty(0, dtype=np.int64), {}
    if table is not None:
        _check(version, table, verb)
        masks = checked_given(given, table)
        of_rows = shards_of(one_chunk(table["doc_id"].cast(pa.string())), num_shards)
    parts = {}
    for shard in np.union1d(of_ids, of_rows).tolist():
        rows = np.flatnonzero(of_rows == shard)
        stream = None if table is None or not len(rows) else to_stream(table.take(pa.array(rows)))
        left_out = ids.filter(pa.array(of_ids == shard)).to_pylist()
        parts[shard] = ShardPart(rows, stream, left_out, {name: mask[rows] for name, mask in masks.items()})
    return parts


def _check(version: ServedVersion, table: pa.Table, verb: str) -> None:
    schema = version.snapshot
    known = {name: kind for name, kind in schema.columns.items() if name != "static_rank"}
    fields = check_table(table, schema.embeddings, known, schema.positions, verb).fields
    for field in fields.schema:
        if field.name not in _LEFT_OUT and known.get(field.name) != field.type:
            raise TableError(
                f"column {field.name!r} of type {field.type} would be new: all shards have the columns of their version"
                f" ({', '.join(known) or 'none'}). Publish a version with it, or leave it out",
                table="documents",
                column=field.name,
            )


class VersionOverError(Exception):
    """Another version takes the writes of some shards, or will in a moment; they have nothing of this one. written: by
    the others."""

    def __init__(self, written: dict[int, Written]) -> None:
        super().__init__("another version takes the writes")
        self.written = written


class ShardWriter:
    """Writes to the shards that a transport reaches. Every method may be called from any thread."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._leaders: dict[int, tuple[str, int]] = {}
        self._pool = ThreadPoolExecutor(_THREADS, "alicorn-writes")

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def write(
        self,
        version: str,
        parts: Mapping[int, ShardPart],
        is_update: bool,
        wrote: Callable[[Mapping[int, Written]], None],
    ) -> dict[int, Written]:
        """wrote: is told what was written, also where the write fails then. Raises what `apply` raises, and
        VersionOverError."""
        if len(parts) > 1 and not is_update:
            self._written(self._all(version, parts, is_update, checks=True), parts)
        answers = self._all(version, parts, is_update, checks=False)
        wrote({shard: answer for shard, answer in answers.items() if isinstance(answer, Written)})
        return self._written(answers, parts)

    def _all(
        self, version: str, parts: Mapping[int, ShardPart], is_update: bool, checks: bool
    ) -> dict[int, Answer | Lost]:
        deadline = REACH.get().deadline or time.monotonic() + WRITE_S

        def ask(shard: int) -> Answer | Lost:
            return self._ask(shard, parts[shard], version, is_update, checks, deadline)

        shards = list(parts)
        answers = [ask(shards[0])] if len(shards) == 1 else self._pool.map(ask, shards)
        return dict(zip(shards, answers, strict=True))

    def _ask(
        self, shard: int, part: ShardPart, version: str, is_update: bool, checks: bool, deadline: float
    ) -> Answer | Lost:
        """Of the copy that leads; where it has not the message, or leads no more, of the one that does now."""
        answer: Answer | Lost = Lost("no copy of it leads")
        for is_first in (True, False):
            known = self._leaders.get(shard) if is_first else None
            leader = known or self._leader(shard, version, deadline)
            if leader is None or isinstance(leader, NotHere):
                return leader or answer
            self._leaders[shard] = leader
            copy, epoch = leader
            answer = self._transport.tell(shard, copy, part.message(version, epoch, is_update, checks), deadline)
            if not isinstance(answer, NotHere) or answer.is_over:
                return answer
        return answer

    def _leader(self, shard: int, version: str, deadline: float) -> tuple[str, int] | NotHere | None:
        """The copy that leads in the highest epoch of any, and that epoch; NotHere where the version is over. Raises
        CollectionError."""
        status = AskStatus(version, True)
        asked = {copy: self._transport.tell(shard, copy, status, deadline) for copy in self._copies(shard)}
        found = {copy: one for copy, one in asked.items() if isinstance(one, Status)}
        if found and all(one.leads is None for one in found.values()):
            raise CollectionError(
                f"shard {shard} takes no writes: start its processes with --data, or write to the collection that the"
                " shards were made of, and publish it again with --shards"
            )
        if any(one.is_over for one in found.values()):
            return NotHere("another version takes the writes", is_over=True)
        leading = {one.epoch: copy for copy, one in found.items() if one.leads and one.is_whole}
        return (leading[max(leading)], max(leading)) if leading else None

    def _copies(self, shard: int) -> Sequence[str]:
        return self._transport.copies(shard)

    def _written(self, answers: Mapping[int, Answer | Lost], parts: Mapping[int, ShardPart]) -> dict[int, Written]:
        written = {shard: one for shard, one in answers.items() if isinstance(one, Written)}
        refused = [parts[shard].error_of(one) for shard, one in answers.items() if isinstance(one, Refused)]
        if refused:
            raise min(refused, key=lambda error: getattr(error, "row", None) or 0)
        lost = {shard: one for shard, one in answers.items() if shard not in written}
        if lost and all(isinstance(one, NotHere) and one.is_over for one in lost.values()):
            raise VersionOverError(written)
        if lost:
            reasons = "; ".join(f"shard {shard}: {getattr(one, 'reason', one)}" for shard, one in lost.items())
            others = f" Shards {', '.join(map(str, written))} have their parts." if written else ""
            raise UnreachableError(
                f"a write is not confirmed, and may be there or not: {reasons}.{others} Write again, or read the"
                " documents",
                lost=list(lost),
            )
        return written
