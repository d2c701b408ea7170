"""The journal and the manifest of a collection: the acknowledged operations and the list of segments.

sqlite_file.py has the tables. SQLite runs in WAL mode with synchronous=FULL: a commit has reached the disk
when it returns. An operation is acknowledged once its journal row is committed; a flush replaces rows by segments in
one transaction. A writer holds the lock of writer_lock.py, so a transaction never waits for another writer.

Three independent checks detect lost data: the checksums and numbers of the rows, the seal over the pages (seal.py,
with wal.py), and the mark of the last commit (mark.py).
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from alicorn.errors import CollectionError, CorruptionError
from alicorn.index.durability.failpoints import reach
from alicorn.index.durability.mark import CommitMark, read_mark
from alicorn.index.durability.open_manifest import OpenManifest
from alicorn.index.durability.seal import PAGE_SIZE, check_seal, renewed, write_seal
from alicorn.index.durability.sqlite_file import (
    MANIFEST,
    MANIFEST_VERSION,
    PLAIN_VERSION,
    POSITIONS_VERSION,
    STORED_VERSION,
    check_identity,
    close,
    connect,
    create_database,
    damage,
    put_setting,
    reported,
    row_checksum,
)
from alicorn.index.durability.wal import read_wal
from alicorn.quantization import FLOAT32

CHECKPOINT_BYTES = 8 << 20  # a write-ahead log of so many bytes is copied to the database: some 15 ms
MOST_LOG_BYTES = 32 << 20  # the same while the journal is as large: a load in batches is copied less often
FREE_BYTES = 8 << 20  # free pages of so many bytes are returned to the disk when a writer closes
_WRITTEN = b"alicorn.written"  # of the schema of an operation
_PAGES_OF_COMMIT = 4  # pages of a commit beside the bodies of its rows: settings, journal, B-tree


class Declared(NamedTuple):
    """An embedding key: its dimension, and the stored precision of its vectors, one of quantization.STORED."""

    dim: int
    stored: str = FLOAT32


@dataclass(frozen=True)
class State:
    """generation: the number of rewritings of segments, part of the names of their files; segments: names; quantizers:
    name and checksum of the file, or None before a training; flushed: the last sequence in segments; last: the last
    sequence acknowledged. The journal has the operations flushed + 1 to last. commits: the number of transactions;
    collection: id, 32 hex digits, the same in all files of a collection."""

    generation: int = 0
    segments: tuple[str, ...] = ()
    quantizers: tuple[str, str] | None = None
    flushed: int = 0
    last: int = 0
    commits: int = 0
    collection: str = ""


@dataclass(frozen=True, eq=False)
class SegmentRecord:
    """A live segment on disk. checksum: of the file; tombstones: (n,) uint32, numbers of deleted documents."""

    name: str
    checksum: str
    tombstones: np.ndarray


@dataclass(frozen=True, eq=False)
class JournalEntry:
    sequence: int
    kind: str
    table: pa.Table


class Journal:
    """A connection to the journal. Call its methods under the store's lock. num_bytes: of operations in no segment."""

    def __init__(self, folder: Path, *, read_only: bool, keeps: bool = False) -> None:
        """keeps: the operations that are in segments stay, for those who repeat them elsewhere.

        Raises CollectionError when there is no collection or its format is newer, CorruptionError for damage."""
        self._path = folder / MANIFEST
        self.read_only = read_only
        self._keeps = keeps
        if not self._path.is_file():
            raise CollectionError(f"{folder} holds no collection (no {MANIFEST}): create one, or check the path")
        with contextlib.ExitStack() as undo:
            with self._reported("opened"):
                self._manifest = OpenManifest(self._path)
                undo.callback(self._manifest.close)
                self._sealed, log = check_seal(self._manifest)
                collection, commits = read_mark(folder)
                self._database = connect(self._path, read_only=read_only)
                undo.callback(close, self._database)
                check_identity(self._path, self._database)
            self._logged = log.num_frames * PAGE_SIZE  # bytes, or somewhat more
            self.state = self.read_state()
            self.num_bytes = self._num_bytes()
            if self.state.collection != collection or self.state.commits < commits:
                raise self._lost(collection, commits)
            with self._reported("written"):
                self._mark = None if read_only else CommitMark(folder, collection)
            undo.pop_all()

    @staticmethod
    def create(
        folder: Path, embeddings: Mapping[str, Declared], metadata: Mapping[str, Any], positions: tuple[str, ...] = ()
    ) -> None:
        """Create a manifest without segments. positions: prefixes of terms."""
        state = State(collection=secrets.token_hex(16))
        settings = {
            "collection": _declarations(embeddings, positions),
            "metadata": _json(metadata),
            "columns": pa.schema([]).serialize().to_pybytes(),
            "state": _json(asdict(state)),
        }
        version = PLAIN_VERSION if all(one.stored == FLOAT32 for one in embeddings.values()) else STORED_VERSION
        create_database(folder, settings, state.collection, POSITIONS_VERSION if positions else version)

    # -- reading

    def read_state(self) -> State:
        found = json.loads(self._setting("state"))
        quantizers = found["quantizers"] and tuple(found["quantizers"])
        return State(**{**found, "segments": tuple(found["segments"]), "quantizers": quantizers})

    def embeddings(self) -> dict[str, Declared]:
        found = json.loads(self._setting("collection"))["embeddings"]
        return {key: Declared(*declared) for key, *declared in found}

    def positions(self) -> tuple[str, ...]:
        """The prefixes of terms whose positions are kept."""
        return tuple(json.loads(self._setting("collection")).get("positions", ()))

    def metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = json.loads(self._setting("metadata"))
        return metadata

    def columns(self) -> pa.Schema:
        return pa.ipc.read_schema(pa.py_buffer(self._setting("columns")))

    def segments(self) -> list[SegmentRecord]:
        """The live segments in the order of the state. Raises CorruptionError if they are not those of the state."""
        with self._reported("read"):
            rows = self._database.execute("SELECT name, file_checksum, tombstones, checksum FROM segments").fetchall()
        for name, file_checksum, tombstones, checksum in rows:
            self._check_row(f"segment {name}", checksum, name, file_checksum, tombstones)
        found = {name: SegmentRecord(name, of_file, np.frombuffer(dead, "<u4")) for name, of_file, dead, _ in rows}
        if set(found) != set(self.state.segments):
            raise self._damage(f"it lists the segments {sorted(found)}, its state {sorted(self.state.segments)}")
        return [found[name] for name in self.state.segments]

    def operations(self, after: int) -> Iterator[JournalEntry]:
        """The operations after the sequence `after`. Raises CorruptionError for a gap up to the last of the state."""
        expected = after + 1
        query = "SELECT sequence, kind, body, checksum FROM journal WHERE sequence > ? ORDER BY sequence"
        with self._reported("read"):
            for sequence, kind, body, checksum in self._database.execute(query, (after,)):
                if sequence != expected:
                    raise self._damage(f"operation {expected} is missing from the journal")
                self._check_row(f"operation {sequence}", checksum, sequence, kind, body)
                yield JournalEntry(sequence, kind, pa.ipc.open_stream(pa.py_buffer(body)).read_all())
                expected += 1
        if expected != self.state.last + 1:
            raise self._damage(f"operations {expected} to {self.state.last} are missing from the journal")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Make all reads inside see the same moment while another process may write."""
        with self._reported("read"):
            self._database.execute("BEGIN")
        try:
            self.state = self.read_state()
            yield
        finally:
            if self._database.in_transaction:
                self._database.execute("COMMIT")

    def data_version(self) -> int:
        """A number that changes when another process has committed."""
        with self._reported("read"):
            return int(self._database.execute("PRAGMA data_version").fetchone()[0])

    def copy_to(self, target: sqlite3.Connection) -> None:
        """Copy the whole database; inside `reading`, as of that moment."""
        with self._reported("copied"):
            self._database.backup(target)

    def check(self) -> None:
        """SQLite's own check of all its pages. Raises CorruptionError."""
        with self._reported("checked"):
            found = [row[0] for row in self._database.execute("PRAGMA integrity_check")]
        if found != ["ok"]:
            raise self._damage("; ".join(found[:5]))

    # -- writing

    def append(self, operations: Sequence[tuple[str, pa.Table]], columns: pa.Schema | None = None) -> None:
        """Commit operations, each (kind, table), in one transaction: durable when this returns.

        columns: the stored columns, if these operations add some.
        """
        if self._keeps:
            operations = [(kind, _timed(table)) for kind, table in operations]
        rows = [(self.state.last + 1 + i, kind, _ipc(table)) for i, (kind, table) in enumerate(operations)]
        size = sum(len(body) for _, _, body in rows)
        with self._transaction("operation", replace(self.state, last=rows[-1][0]), size):
            for row in rows:
                self._database.execute("INSERT INTO journal VALUES (?, ?, ?, ?)", (*row, row_checksum(*row)))
            self._put_columns(columns)
        self.num_bytes += size

    def swap(
        self,
        generation: int,
        segments: Sequence[SegmentRecord],
        quantizers: tuple[str, str] | None,
        flushed: int,
        columns: pa.Schema | None = None,
        declared: tuple[Mapping[str, Declared], tuple[str, ...]] | None = None,
    ) -> None:
        """Replace the list of segments, which now contain the journal up to `flushed`. Durable when this returns.

        columns, declared: given when the stored columns change, and when the keys or the prefixes with positions do.
        """
        names = tuple(segment.name for segment in segments)
        state = replace(self.state, generation=generation, segments=names, quantizers=quantizers, flushed=flushed)
        written = PAGE_SIZE * (flushed - self.state.flushed)  # at most a page for each row deleted
        with self._transaction("swap", state, written):
            self._database.execute("DELETE FROM segments")
            for segment in segments:
                row = (segment.name, segment.checksum, segment.tombstones.astype("<u4").tobytes())
                self._database.execute("INSERT INTO segments VALUES (?, ?, ?, ?)", (*row, row_checksum(*row)))
            if not self._keeps:
                self._database.execute("DELETE FROM journal WHERE sequence <= ?", (flushed,))
            self._put_columns(columns)
            if declared is not None:
                self._put_declarations(*declared)
        self.num_bytes = self._num_bytes()

    def set_embeddings(self, embeddings: Mapping[str, Declared]) -> None:
        """Declare further keys. Durable when this returns."""
        with self._transaction("schema", self.state):
            self._put_declarations(embeddings, self.positions())

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        value = _json(metadata)
        with self._transaction("metadata", self.state):
            put_setting(self._database, "metadata", value)

    def roll_back(self) -> None:
        """End an interrupted transaction if there is one, and read `state` again."""
        with self._reported("read"):
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
        self.state = self.read_state()
        self.num_bytes = self._num_bytes()

    def checkpoint(self) -> None:
        """Renew the seal and copy the write-ahead log into the database, as far as readers allow."""
        log = read_wal(self._manifest.wal, PAGE_SIZE)
        self._sealed = renewed(self._sealed, log)
        write_seal(self._path, self._sealed)
        reach("before checkpoint")
        self._database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        reach("after checkpoint")
        self._logged = 0

    def close(self) -> None:
        """Close the connection. A writer first returns free pages, and copies the whole log into the database, unless
        readers prevent it."""
        if self._mark is not None:
            self._mark.sync()
            try:
                with contextlib.suppress(sqlite3.Error):  # a full disk: the file stays as long as it is
                    self._return_free_pages()
                self.checkpoint()
            except (sqlite3.Error, OSError):
                return  # a full disk: without a seal the log stays, as after a crash
        close(self._database)
        self._manifest.close()

    # -- within

    def _return_free_pages(self) -> None:
        """Cut off the pages of a backlog that was flushed, if they are many. The checkpoint shortens the file."""
        free_pages = self._database.execute("PRAGMA freelist_count").fetchone()[0]
        if free_pages * PAGE_SIZE > FREE_BYTES:
            reach("before vacuum")
            # A commit of the whole length: the log itself says how long the file may still be after a crash.
            put_setting(self._database, "state", _json(asdict(self.state)))
            self._database.executescript("PRAGMA incremental_vacuum")  # execute: it would return one page
            reach("after vacuum")

    @contextmanager
    def _transaction(self, what: str, state: State, written: int = 0) -> Iterator[None]:
        """written: bytes of this commit beside those of every commit."""
        assert self._mark is not None
        self._logged += written + _PAGES_OF_COMMIT * PAGE_SIZE
        state = replace(state, commits=state.commits + 1)
        with self._reported("written"):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                put_setting(self._database, "state", _json(asdict(state)))
                reach(f"before commit {what}")
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        self.state = state
        reach(f"after commit {what}")
        self._mark.advance(state.commits)
        if self._logged > min(MOST_LOG_BYTES, max(CHECKPOINT_BYTES, self.num_bytes)):
            with contextlib.suppress(sqlite3.Error, OSError):  # this commit is done; the next one tries again
                self.checkpoint()

    def _num_bytes(self) -> int:
        """The bytes of the operations in no segment."""
        with self._reported("read"):
            query = "SELECT total(length(body)) FROM journal WHERE sequence > ?"
            return int(self._database.execute(query, (self.state.flushed,)).fetchone()[0])

    def _put_columns(self, columns: pa.Schema | None) -> None:
        if columns is not None:
            put_setting(self._database, "columns", columns.serialize().to_pybytes())

    def _put_declarations(self, embeddings: Mapping[str, Declared], positions: tuple[str, ...]) -> None:
        put_setting(self._database, "collection", _declarations(embeddings, positions))
        self._database.execute(f"PRAGMA user_version = {MANIFEST_VERSION}")

    def _setting(self, name: str) -> bytes:
        with self._reported("read"):
            row = self._database.execute("SELECT value, checksum FROM settings WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise self._damage(f"its setting '{name}' is missing")
        self._check_row(f"setting '{name}'", row[1], name, row[0])
        return bytes(row[0])

    def _check_row(self, what: str, checksum: str, *values: str | int | bytes) -> None:
        if row_checksum(*values) != checksum:
            raise self._damage(f"{what} has changed since it was written")

    def _damage(self, what: str) -> CorruptionError:
        return damage(self._path, what)

    def _lost(self, collection: str, commits: int) -> CorruptionError:
        if collection != self.state.collection:
            return self._damage("it and manifest.mark beside it belong to two collections")
        lost = commits - self.state.commits
        return self._damage(f"it lacks the last {lost} of {commits} commits that were acknowledged (manifest.mark)")

    def _reported(self, verb: str) -> AbstractContextManager[None]:
        return reported(self._path, verb)


def _declarations(embeddings: Mapping[str, Declared], positions: tuple[str, ...]) -> bytes:
    declared: dict[str, Any] = {"embeddings": [_declaration(key, one) for key, one in embeddings.items()]}
    return _json(declared | ({"positions": positions} if positions else {}))


def _declaration(key: str, declared: Declared) -> list[Any]:
    return [key, declared.dim] if declared.stored == FLOAT32 else [key, declared.dim, declared.stored]


def written_at(table: pa.Table) -> float | None:
    """When an operation of a journal that keeps them was first written, in seconds since 1970, by the clock there."""
    at = (table.schema.metadata or {}).get(_WRITTEN)
    return None if at is None else float(at)


def _timed(table: pa.Table) -> pa.Table:
    """With the time; an operation that is repeated has it."""
    if written_at(table) is not None:
        return table
    return table.replace_schema_metadata({**(table.schema.metadata or {}), _WRITTEN: f"{time.time():.6f}".encode()})


def _ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False).encode()
