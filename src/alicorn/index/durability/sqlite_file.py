"""The SQLite database of a collection: its tables, its creation, its connections.

manifest.sqlite    application_id 0x414C4943 ("ALIC"), user_version = 1, 2 if an embedding is not stored as float32, 3
                   if positions of terms are kept, 4 after a key or positions were added or dropped; WAL mode
  settings         name, value, checksum
                     collection   JSON: embeddings, a list of [key, dimension] or [key, dimension, stored] in the
                                  order of declaration; stored: "float16" or "codes", missing for float32;
                                  positions, a list of prefixes of terms, if any are kept
                     metadata     JSON object of the user
                     columns      Arrow schema message: the stored columns and their types
                     state        JSON, see State of journal.py
  segments         name, file_checksum (archive.py), tombstones (uint32 little-endian document
                   numbers of the deleted documents, ascending), checksum
                   auto_vacuum is INCREMENTAL: Journal.close returns free pages (not of collections made before)
  journal          sequence, kind ("upsert" or "delete"), body (Arrow IPC stream), checksum
                     upsert   Documents.to_table; delete   one column doc_id
Every checksum is the xxh3-64, in hex, of all other values of its row.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import xxhash

from alicorn.errors import CollectionError, CorruptionError, cause
from alicorn.index.durability.archive import RESTORE, check_format
from alicorn.index.durability.durable import rename
from alicorn.index.durability.mark import MARK, write_mark
from alicorn.index.durability.seal import PAGE_SIZE, SEAL, page_digests, write_seal

MANIFEST = "manifest.sqlite"
CREATING = "manifest.creating"
# Files of an interrupted creation.
LEFT_BY_CREATION = (CREATING, f"{CREATING}-wal", f"{CREATING}-shm", f"{SEAL}.new", SEAL, MARK)
# user_version: with float32 vectors only; with vectors stored otherwise; with positions of terms; with keys that
# were added, which older segments lack
PLAIN_VERSION, STORED_VERSION, POSITIONS_VERSION, MANIFEST_VERSION = 1, 2, 3, 4
_APPLICATION_ID = 0x414C4943
_TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL, checksum TEXT NOT NULL) STRICT;
CREATE TABLE segments (name TEXT PRIMARY KEY, file_checksum TEXT NOT NULL, tombstones BLOB NOT NULL,
                       checksum TEXT NOT NULL) STRICT;
CREATE TABLE journal (sequence INTEGER PRIMARY KEY, kind TEXT NOT NULL, body BLOB NOT NULL,
                      checksum TEXT NOT NULL) STRICT;
"""


def create_database(folder: Path, settings: Mapping[str, bytes], collection: str, version: int) -> None:
    """Create a manifest without segments, its seal and its mark. The manifest gets its name when all is complete."""
    unfinished = folder / CREATING
    for left in LEFT_BY_CREATION:
        (folder / left).unlink(missing_ok=True)
    database = sqlite3.connect(unfinished, isolation_level=None)
    try:
        database.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.executescript(
            f"BEGIN; PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {version}; {_TABLES}"
        )
        for name, value in settings.items():
            put_setting(database, name, value)
        database.execute("COMMIT")
    except sqlite3.Error as error:
        raise CollectionError(f"{folder}: a collection cannot be created here: {error}") from error
    finally:
        database.close()
    publish_database(folder, collection, commits=0)


def publish_database(folder: Path, collection: str, commits: int) -> None:
    """Write the seal and the mark of the complete database CREATING, then rename the database to MANIFEST."""
    unfinished = folder / CREATING
    write_seal(folder / MANIFEST, page_digests(unfinished.read_bytes()))
    write_mark(folder, collection, commits)
    rename(unfinished, folder / MANIFEST, "manifest")


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """A connection in autocommit mode; several threads use it under the store's lock.

    Pages are copied to the database by `PRAGMA wal_checkpoint` alone. SQLite also copies the write-ahead log and
    removes it when the last connection is closed, which seal.py would take for damage. So only `close` closes one; an
    additional reference keeps it from the garbage collector and from the end of the program.
    """
    uri = path.absolute().as_uri()

    def connected(mode: str) -> sqlite3.Connection:
        database = sqlite3.connect(f"{uri}?{mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            database.execute("PRAGMA wal_autocheckpoint = 0")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA secure_delete = OFF")  # ON: a flush would write all rows that it deletes once more
        except sqlite3.Error:
            database.close()
            raise
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(database))
        return database

    if not read_only:
        return connected("mode=rw")
    try:
        return connected("mode=ro")
    except sqlite3.OperationalError:
        # In a read-only folder SQLite cannot create its -shm file. Without a -wal file the database is complete.
        if os.access(path.parent, os.W_OK):
            raise
        if path.with_name(path.name + "-wal").exists():
            raise CollectionError(
                f"{path.parent} was not closed, and its folder is read-only: open it once with write access"
            ) from None
        return connected("immutable=1")


def close(database: sqlite3.Connection) -> None:
    """Close a connection of `connect`."""
    database.close()
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(database))


def check_identity(path: Path, database: sqlite3.Connection) -> None:
    """Refuse the database of another program or of a newer alicorn."""
    application_id = database.execute("PRAGMA application_id").fetchone()[0]
    if application_id != _APPLICATION_ID:
        raise damage(path, f"its application_id is {application_id:#x}, a collection has {_APPLICATION_ID:#x}")
    check_format(path, database.execute("PRAGMA user_version").fetchone()[0], MANIFEST_VERSION)


def put_setting(database: sqlite3.Connection, name: str, value: bytes) -> None:
    database.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", (name, value, row_checksum(name, value)))


def row_checksum(*values: str | int | bytes) -> str:
    digest = xxhash.xxh3_64()
    for value in values:
        raw = value if isinstance(value, bytes) else str(value).encode()
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()


def damage(path: Path, what: str) -> CorruptionError:
    return CorruptionError(f"{path} is damaged: {what}. {RESTORE}")


@contextmanager
def reported(path: Path, verb: str) -> Iterator[None]:
    """Raise errors of SQLite and of the system as AlicornErrors."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "malformed" in str(error) or "no such table" in str(error):
            raise damage(path, str(error)) from error
        raise CollectionError(f"{path} cannot be {verb}: {error}; check free space and permissions") from error
    except sqlite3.DatabaseError as error:
        raise damage(path, str(error)) from error
    except OSError as error:
        message = f"{path} cannot be {verb}: {cause(error)}; check free space and permissions"
        raise CollectionError(message) from error
