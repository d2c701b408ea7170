"""The journal and the manifest of a collection, one SQLite database. Used by store.py; nothing else touches it.

    manifest.xxh3      see seal.py
    manifest.sqlite    application_id 0x414C4943 ("ALIC"), user_version = FORMAT_VERSION of checked_folder.py
      settings         name, value, checksum
                         collection   JSON: embeddings, a list of [key, dimension] in the order of declaration
                         metadata     JSON object, the user's
                         columns      Arrow schema message: the stored columns and their types
                         state        JSON, see State: what the other tables must hold, so that a lost row is noticed
      segments         name, header_checksum (of its header.json), tombstones (uint32 little-endian document numbers of
                       the deleted documents, ascending), checksum
      journal          sequence, kind ("upsert" or "delete"), body (Arrow IPC stream), checksum
                         upsert   Documents.to_table; delete   one column doc_id
    Every checksum is the xxh3-64, in hex, of all other values of its row.

SQLite runs in WAL mode with synchronous=FULL: a commit has reached the disk when it returns. An operation is
acknowledged once its journal row is committed; a flush replaces rows by segments in one transaction. Writers hold the
lock of writer_lock.py, so a transaction here never waits for another writer.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from alicorn.errors import CollectionError, CorruptionError
from alicorn.index.checked_folder import FORMAT_VERSION, RESTORE, check_format, sync_folder
from alicorn.index.seal import break_seal, check_seal, seal

MANIFEST = "manifest.sqlite"
_CREATING = "manifest.creating"
_APPLICATION_ID = 0x414C4943
_PAGE_SIZE = 8192  # bytes; most rows are larger than a page
_TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL, checksum TEXT NOT NULL) STRICT;
CREATE TABLE segments (name TEXT PRIMARY KEY, header_checksum TEXT NOT NULL, tombstones BLOB NOT NULL,
                       checksum TEXT NOT NULL) STRICT;
CREATE TABLE journal (sequence INTEGER PRIMARY KEY, kind TEXT NOT NULL, body BLOB NOT NULL,
                      checksum TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True)
class State:
    """generation: counts rewritings of segments, and names their folders; segments: their names;
    quantizers: folder and header checksum, or None before training; flushed: the last sequence that is in segments;
    last: the last sequence acknowledged. The journal holds flushed + 1 to last. commits: counts all transactions."""

    generation: int = 0
    segments: tuple[str, ...] = ()
    quantizers: tuple[str, str] | None = None
    flushed: int = 0
    last: int = 0
    commits: int = 0


@dataclass(frozen=True, eq=False)
class SegmentRecord:
    """A live segment on disk. tombstones: (n,) uint32 document numbers."""

    name: str
    header_checksum: str
    tombstones: np.ndarray


@dataclass(frozen=True, eq=False)
class Operation:
    sequence: int
    kind: str
    table: pa.Table


class Journal:
    """One connection. Call its methods under the store's lock."""

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        """Raises CollectionError when there is no collection or its format is newer, CorruptionError for damage."""
        self._path = folder / MANIFEST
        self.read_only = read_only
        if not self._path.is_file():
            raise CollectionError(f"{folder} holds no collection (no {MANIFEST}): create one, or check the path")
        self._sealed = True
        check_seal(self._path)
        with self._reported("opened"):
            self._database = _connect(self._path, read_only=read_only)
        try:
            with self._reported("read"):
                self._check_identity()
                if not read_only:
                    break_seal(self._path)
                    self._sealed = False
                    self._database.execute("PRAGMA journal_mode = WAL")
                    self._database.execute("PRAGMA synchronous = FULL")
            self.state = self.read_state()
        except BaseException:
            self._sealed = True  # what could not be read is not sealed
            self.close()
            raise

    @staticmethod
    def create(folder: Path, embeddings: Mapping[str, int], metadata: Mapping[str, Any]) -> None:
        """A manifest without segments. It appears in the folder under its name only when it is complete."""
        unfinished = folder / _CREATING
        unfinished.unlink(missing_ok=True)
        database = sqlite3.connect(unfinished, isolation_level=None)
        try:
            database.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
            database.execute("PRAGMA synchronous = FULL")
            database.executescript(
                f"BEGIN; PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {FORMAT_VERSION}; {_TABLES}"
            )
            _put_setting(database, "collection", _json({"embeddings": list(embeddings.items())}))
            _put_setting(database, "metadata", _json(metadata))
            _put_setting(database, "columns", pa.schema([]).serialize().to_pybytes())
            _put_setting(database, "state", _json(asdict(State())))
            database.execute("COMMIT")
        except sqlite3.Error as error:
            raise CollectionError(f"{folder}: a collection cannot be created here: {error}") from error
        finally:
            database.close()
        os.rename(unfinished, folder / MANIFEST)
        sync_folder(folder)

    # -- reading

    def read_state(self) -> State:
        found = json.loads(self._setting("state"))
        quantizers = found["quantizers"] and tuple(found["quantizers"])
        return State(**{**found, "segments": tuple(found["segments"]), "quantizers": quantizers})

    def embeddings(self) -> dict[str, int]:
        return dict(json.loads(self._setting("collection"))["embeddings"])

    def metadata(self) -> dict[str, Any]:
        return json.loads(self._setting("metadata"))

    def columns(self) -> pa.Schema:
        return pa.ipc.read_schema(pa.py_buffer(self._setting("columns")))

    def segments(self) -> list[SegmentRecord]:
        """The live segments, as many as the state says."""
        with self._reported("read"):
            rows = self._database.execute("SELECT name, header_checksum, tombstones, checksum FROM segments").fetchall()
        for name, header_checksum, tombstones, checksum in rows:
            self._check_row(f"segment {name}", checksum, name, header_checksum, tombstones)
        found = {name: SegmentRecord(name, header, np.frombuffer(dead, "<u4")) for name, header, dead, _ in rows}
        if set(found) != set(self.state.segments):
            raise self._damage(f"it lists the segments {sorted(found)}, its state {sorted(self.state.segments)}")
        return [found[name] for name in self.state.segments]

    def operations(self, after: int) -> Iterator[Operation]:
        """The journal's operations with a sequence above `after`, without a gap up to the state's last."""
        expected = after + 1
        query = "SELECT sequence, kind, body, checksum FROM journal WHERE sequence > ? ORDER BY sequence"
        with self._reported("read"):
            for sequence, kind, body, checksum in self._database.execute(query, (after,)):
                if sequence != expected:
                    raise self._damage(f"operation {expected} is missing from the journal")
                self._check_row(f"operation {sequence}", checksum, sequence, kind, body)
                yield Operation(sequence, kind, pa.ipc.open_stream(pa.py_buffer(body)).read_all())
                expected += 1
        if expected != self.state.last + 1:
            raise self._damage(f"operations {expected} to {self.state.last} are missing from the journal")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Everything read inside is of one moment, although another process may write."""
        with self._reported("read"):
            self._database.execute("BEGIN")
        try:
            self.state = self.read_state()
            yield
        finally:
            if self._database.in_transaction:
                self._database.execute("COMMIT")

    def data_version(self) -> int:
        """Changes when another process has committed."""
        with self._reported("read"):
            return self._database.execute("PRAGMA data_version").fetchone()[0]

    def check(self) -> None:
        """SQLite's own check of all its pages. Raises CorruptionError."""
        with self._reported("checked"):
            found = [row[0] for row in self._database.execute("PRAGMA integrity_check")]
        if found != ["ok"]:
            raise self._damage("; ".join(found[:5]))

    # -- writing

    def append(self, kind: str, table: pa.Table, columns: pa.Schema | None = None) -> None:
        """Acknowledge one operation: durable when this returns. columns: given when the operation adds some."""
        body = _ipc(table)
        state = replace(self.state, last=self.state.last + 1)
        row = (state.last, kind, body)
        with self._transaction(state):
            self._database.execute("INSERT INTO journal VALUES (?, ?, ?, ?)", (*row, _checksum(*row)))
            self._put_columns(columns)

    def swap(
        self,
        generation: int,
        segments: Sequence[SegmentRecord],
        quantizers: tuple[str, str] | None,
        flushed: int,
        columns: pa.Schema | None = None,
    ) -> None:
        """These are the segments from now on, and the journal up to `flushed` is in them. Durable when this returns."""
        names = tuple(segment.name for segment in segments)
        state = replace(self.state, generation=generation, segments=names, quantizers=quantizers, flushed=flushed)
        with self._transaction(state):
            self._database.execute("DELETE FROM segments")
            for segment in segments:
                row = (segment.name, segment.header_checksum, segment.tombstones.astype("<u4").tobytes())
                self._database.execute("INSERT INTO segments VALUES (?, ?, ?, ?)", (*row, _checksum(*row)))
            self._database.execute("DELETE FROM journal WHERE sequence <= ?", (flushed,))
            self._put_columns(columns)

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        value = _json(metadata)
        with self._transaction(self.state):
            _put_setting(self._database, "metadata", value)

    def close(self) -> None:
        """A writer leaves the database complete in itself, and sealed; with readers at work it may not be able to."""
        emptied = False
        if not self._sealed:
            with contextlib.suppress(sqlite3.Error):
                busy, _, _ = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                emptied = not busy
        self._database.close()
        if emptied:
            with contextlib.suppress(OSError):  # a full disk: then it stays without a seal, as after a crash
                seal(self._path)

    # -- within

    @contextmanager
    def _transaction(self, state: State) -> Iterator[None]:
        state = replace(state, commits=state.commits + 1)
        with self._reported("written"):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                _put_setting(self._database, "state", _json(asdict(state)))
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        self.state = state

    def _put_columns(self, columns: pa.Schema | None) -> None:
        if columns is not None:
            _put_setting(self._database, "columns", columns.serialize().to_pybytes())

    def _setting(self, name: str) -> bytes:
        with self._reported("read"):
            row = self._database.execute("SELECT value, checksum FROM settings WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise self._damage(f"its setting '{name}' is missing")
        self._check_row(f"setting '{name}'", row[1], name, row[0])
        return row[0]

    def _check_row(self, what: str, checksum: str, *values: str | int | bytes) -> None:
        if _checksum(*values) != checksum:
            raise self._damage(f"{what} has changed since it was written")

    def _check_identity(self) -> None:
        application_id = self._database.execute("PRAGMA application_id").fetchone()[0]
        if application_id != _APPLICATION_ID:
            raise self._damage(f"its application_id is {application_id:#x}, a collection has {_APPLICATION_ID:#x}")
        check_format(self._path, self._database.execute("PRAGMA user_version").fetchone()[0])

    def _damage(self, what: str) -> CorruptionError:
        return CorruptionError(f"{self._path} is damaged: {what}. {RESTORE}")

    @contextmanager
    def _reported(self, verb: str) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "malformed" in str(error) or "no such table" in str(error):
                raise self._damage(str(error)) from error
            raise CollectionError(
                f"{self._path} cannot be {verb}: {error}; check free space and permissions"
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._damage(str(error)) from error


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Autocommit; used from several threads under the store's lock."""
    uri = path.absolute().as_uri()

    def connect(mode: str) -> sqlite3.Connection:
        database = sqlite3.connect(f"{uri}?{mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error:
            database.close()
            raise
        return database

    if not read_only:
        return connect("mode=rw")
    try:
        return connect("mode=ro")
    except sqlite3.OperationalError:
        # In a folder that cannot be written, SQLite can neither use nor make its -shm file. Without a -wal file the
        # database is complete in itself.
        if os.access(path.parent, os.W_OK) or path.with_name(path.name + "-wal").exists():
            raise
        return connect("immutable=1")


def _ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()


def _put_setting(database: sqlite3.Connection, name: str, value: bytes) -> None:
    database.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", (name, value, _checksum(name, value)))


def _checksum(*values: str | int | bytes) -> str:
    digest = xxhash.xxh3_64()
    for value in values:
        raw = value if isinstance(value, bytes) else str(value).encode()
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()
