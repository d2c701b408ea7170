"""A durable, live store of documents with one writer and many readers. query/ adds searching to it (Collection).

    <path>/manifest.sqlite       journal and manifest (journal.py)
           writer.lock           (writer_lock.py)
           segments/<name>.zip   immutable segments (segment_file.py)
           quantizers/<name>.zip (quantizer_file.py)

An upsert or delete is one transaction in the journal. Its documents stay in memory (memtable.py) until the background
worker writes them into a segment (maintenance.py). A table too large for memory becomes a segment at once, also in one
transaction.
A lock serialises writes; a reader takes a reference to the current snapshot and never waits.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Self

import numpy as np
import pyarrow as pa

from alicorn.errors import CollectionError, ConfigError, cause
from alicorn.index.durability.journal import Journal
from alicorn.index.durability.sqlite_file import LEFT_BY_CREATION, MANIFEST
from alicorn.index.durability.writer_lock import WriterLock
from alicorn.index.segment.building.documents import Documents
from alicorn.index.segment.parts.doc_ids import hash_ids
from alicorn.index.segment.snapshot import Snapshot
from alicorn.index.state.backup import back_up
from alicorn.index.state.verify import Verification, verify
from alicorn.index.state.version import Version
from alicorn.index.writer.checks.arguments import (
    checked_embeddings,
    checked_given,
    checked_ids,
    checked_metadata,
    checked_names,
    checked_prefixes,
    checked_queries,
    copied_json,
)
from alicorn.index.writer.checks.documents import check_table
from alicorn.index.writer.maintenance import Maintenance
from alicorn.index.writer.schema import SchemaChange
from alicorn.index.writer.splitting import split
from alicorn.index.writer.training import Training
from alicorn.index.writer.updating import updated_documents
from alicorn.index.writer.version_set import VersionSet
from alicorn.index.writer.writing import repeat, replacing_documents, write
from alicorn.quantization import KeyQuantizer, Settings


class Deletion(NamedTuple):
    """The number of ids that were deleted, and of ids that were not found."""

    deleted: int
    unknown: int


class Applied(NamedTuple):
    """The number of documents upserted, of ids deleted, and of ids to delete that were not found."""

    upserted: int
    deleted: int
    unknown: int


class Updated(NamedTuple):
    """How many documents were updated, and how many ids were not there."""

    updated: int
    unknown: int


class Store:
    """A collection on disk. Every method may be called from any thread."""

    def __init__(self, path: Path, *, read_only: bool, as_shard: bool = False) -> None:
        """Use `create` or `open`."""
        self.path = path = path.absolute()  # the program may change its folder
        self.read_only = read_only
        self._process = os.getpid()
        self._closed = False
        if not path.is_dir():
            raise CollectionError(f"{path} is not a folder: create a collection there, or check the path")
        if not (path / MANIFEST).is_file():
            raise CollectionError(f"{path} holds no collection (no {MANIFEST}): create one, or check the path")
        with contextlib.ExitStack() as undo:
            lock = None if read_only else WriterLock(path)
            if lock is not None:
                undo.callback(lock.release)
            self._journal = Journal(path, read_only=read_only, keeps=as_shard)
            undo.callback(self._journal.close)
            self._versions = VersionSet(path, self._journal)
            self._maintenance = Maintenance(self._versions, as_shard=as_shard)
            if not read_only:
                self._maintenance.remove_orphans()
            undo.pop_all()
        self._release = weakref.finalize(self, _release, self._process, self._maintenance, self._versions, lock)

    @classmethod
    def create(
        cls,
        path: str | Path,
        embeddings: Mapping[str, int | Mapping[str, Any]] | None = None,
        metadata: Mapping[str, Any] | None = None,
        positions: Sequence[str] = (),
    ) -> Self:
        """A new, empty collection in a folder that is empty or does not exist, opened for writing.

        embeddings: key -> dimension, or {"dim": dimension, "stored": "float32", "float16" or "codes"}: how its vectors
        are kept (docs/decisions/006-stored-precision.md). metadata: a JSON object that is kept with the
        collection. positions: prefixes such as "text" of the terms whose positions are kept, for `(phrase text ...)`
        (docs/decisions/047-positions.md).
        """
        path = Path(path).absolute()
        declared = checked_embeddings(embeddings or {})
        metadata = checked_metadata(metadata or {})
        positioned = checked_prefixes(positions)
        try:
            path.mkdir(parents=True, exist_ok=True)
            strangers = sorted({file.name for file in path.iterdir()} - set(LEFT_BY_CREATION))
            if strangers:
                raise CollectionError(
                    f"{path} is not empty ({', '.join(strangers[:3])}): open it, or create the collection elsewhere"
                )
            Journal.create(path, declared, metadata, positioned)
        except OSError as error:
            raise CollectionError(f"{path}: a collection cannot be created here: {cause(error)}") from error
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path, read_only: bool = False, as_shard: bool = False) -> Self:
        """An existing collection; every byte of its segments is verified.

        read_only: beside a writer in this or another process; `refresh` picks up what was committed since.
        as_shard: its quantizers are not trained again, since all shards share them, and its journal keeps all
        operations, which replicas repeat (`operations`).
        Raises CollectionError (missing, in use, newer format) and CorruptionError.
        """
        return cls(Path(path), read_only=read_only, as_shard=as_shard)

    # -- reading

    @property
    def embeddings(self) -> dict[str, int]:
        """Embedding key -> dimension."""
        return dict(self._versions.current.embeddings)

    @property
    def stored(self) -> dict[str, str]:
        """Embedding key -> how its vectors are kept: "float32", "float16" or "codes"."""
        return {key: quantizer.stored for key, quantizer in self._versions.current.quantizers.items()}

    @property
    def positions(self) -> tuple[str, ...]:
        """The prefixes of terms whose positions are kept."""
        return self._versions.current.positions

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata last given to `create` or `set_metadata`."""
        copied: dict[str, Any] = copied_json(self._versions.current.metadata)
        return copied

    @property
    def num_rewritings(self) -> int:
        """How many times segments were rewritten since the collection was created: flushes, merges, trainings."""
        return self._versions.current.generation

    @property
    def last_operation(self) -> int:
        """The number of the last operation in the journal; 0: there was none."""
        return self._journal.state.last

    def operations(self, after: int, most_bytes: int) -> list[tuple[str, pa.Table]]:
        """The operations of the journal after number `after`, kind and table, of some `most_bytes` bytes.

        All of them where the collection is open `as_shard`; else those that are in no segment. It does not end
        between the deletes and the upserts of one write.
        """
        with self._locked():
            found: list[tuple[str, pa.Table]] = []
            for entry in self._journal.operations(after):
                found.append((entry.kind, entry.table))
                most_bytes -= entry.table.nbytes
                if most_bytes < 0 and entry.kind == "upsert":
                    break
            return found

    def snapshot(self) -> Snapshot:
        """The live documents as of now. Never waits; later writes do not change it."""
        return self._versions.snapshot

    def __len__(self) -> int:
        return self._versions.snapshot.num_docs

    def get(self, doc_id: str) -> dict[str, Any] | None:
        """doc_id, terms, static_rank and stored columns of a document; None if the collection has no such document."""
        snapshot = self._versions.snapshot
        found = snapshot.find(doc_id)
        return None if found is None else snapshot.document(*found)

    def refresh(self) -> bool:
        """Load what a writer has committed since, into a read-only collection -> whether there was anything."""
        with self._locked():
            return self.read_only and self._versions.refresh()

    def verify(self) -> Verification:
        """Read every file and every row, and compare them with their checksums. Searches and writes go on meanwhile.

        Raises one CorruptionError that names everything damaged.
        """
        self._check_open()
        return verify(self.path)

    def backup(self, path: str | Path) -> None:
        """Copy the collection as it is now, durably, to a path that does not exist yet. Writes go on meanwhile.

        The copy is a collection: open it, or verify it with alicorn.index.state.verify. See backup.py.
        """
        self._check_open()
        back_up(self.path, Path(path))

    def split(self, paths: Sequence[str | Path], place_of: Callable[[pa.StringArray], np.ndarray]) -> list[int]:
        """Write the live documents into new collections, each in one of them, with the same quantizers and columns.

        paths: folders that do not exist. place_of: doc_ids -> the place in `paths` of each, (n,) integers. The new
        collections are durable when it returns how many documents each has. Raises CollectionError.
        """
        with self._locked():
            version = self._versions.current
        return split(version, [Path(path).absolute() for path in paths], place_of)

    # -- writing

    def apply(
        self,
        upserts: pa.Table | None = None,
        deletes: Sequence[str] = (),
        given: Mapping[str, Sequence[bool] | np.ndarray] | None = None,
    ) -> Applied:
        """Delete documents by id, then add documents or replace those of the same doc_id, in one operation.

        All or nothing, and durable when it returns: after an error, nothing is deleted and nothing added. An id in
        both arguments exists afterwards. Columns of `upserts`: see checks/documents.py. An upsert replaces the whole
        document. It is refused if its row leaves out what the document has: terms, static rank, a vector or a stored
        column.
        `update` keeps these; an empty list, null or 0 removes them. given: as of `update`.
        Raises TableError or VectorError before anything is written, CollectionError if writing fails.
        """
        if upserts is None:
            upserts = pa.table({"doc_id": pa.array([], pa.string())})
        wanted = checked_ids(deletes)
        with self._writing():
            documents = partial(replacing_documents, upserts, given)
            written, deleted = write(self._versions, self._maintenance, documents, wanted)
        return Applied(written, deleted, len(wanted) - deleted)

    def check_apply(
        self, upserts: pa.Table, deletes: Sequence[str] = (), given: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Raise what `apply` would raise of these arguments now."""
        ids = checked_ids(deletes)
        with self._locked():
            replacing_documents(upserts, given, self._versions.current.without(ids, hash_ids(ids))[0])

    def repeat(self, operations: Sequence[tuple[str, pa.Table]]) -> list[Snapshot]:
        """Do what `operations` of another copy of this collection gave, in one transaction: all or nothing, durable.

        Returns the snapshot after each. Both copies had the same operations before.
        """
        with self._writing():
            return repeat(self._versions, self._maintenance, operations)

    def upsert(self, table: pa.Table) -> int:
        """Add documents, or replace those of the same doc_id -> the number of documents. `apply` without deletes."""
        return self.apply(table).upserted

    def update(self, table: pa.Table, given: Mapping[str, Sequence[bool] | np.ndarray] | None = None) -> Updated:
        """Change documents: the columns of the table replace theirs, and what it leaves out they keep.

        table: doc_id and any of terms, static_rank, embedding:<key> and stored columns, new ones too; an empty list of
        terms and null as a vector or stored column remove what is there. given: column -> (rows,) bool, for rows that
        give different columns: where it is false, the document keeps its own. A doc_id that is not there is counted.
        All or nothing, durable, and with the errors of `apply`.
        """

        def documents(version: Version) -> list[Documents]:
            checked = check_table(table, version.embeddings, version.column_types(), version.positions, "update")
            return updated_documents(checked, checked_given(given, table), version)

        with self._writing():
            written, _ = write(self._versions, self._maintenance, documents)
        return Updated(written, len(table) - written)

    def delete(self, doc_ids: Sequence[str]) -> Deletion:
        """Delete documents; ids that are not found are counted. `apply` without upserts."""
        _, deleted, unknown = self.apply(deletes=doc_ids)
        return Deletion(deleted, unknown)

    def flush(self) -> None:
        """Write the memtable as a segment; train the quantizers and merge segments if that is due.

        The background worker does the same; this method returns when it is done.
        """
        self._check_writable()
        self._maintenance.rewrite()

    def merge(self) -> None:
        """Flush, then merge all segments into one, or into a few of at most 1 GiB of stored columns each."""
        self._check_writable()
        self._maintenance.rewrite(everything=True)

    def train(
        self,
        num_clusters: int | None = None,
        codec: str | None = None,
        pq_bytes: int | None = None,
        bits: int | None = None,
        coarse: str | None = None,
        key: str | None = None,
        queries: np.ndarray | None = None,
    ) -> None:
        """Train quantizers on the stored vectors, calibrate `:recall`, and rebuild all segments with them.

        Training also happens in the background when it pays. key: the embedding to train, None for all. queries: (n,
        dim) query vectors of one key, which calibrate `:recall`; as long as none were given, stored vectors do. The
        other arguments are those of quantization.Settings. Settings and queries (256 at most, a sample) are stored and
        apply to later trainings, also if the key has no vectors yet; the stored ones apply if none are given. Raises
        ConfigError for settings that do not fit the vectors of a key.
        """
        settings = Settings(coarse, num_clusters, codec, pq_bytes, bits)
        self._check_writable()
        known = tuple(self.embeddings)
        if key is not None and key not in known:
            raise ConfigError(f"key must be one of {', '.join(known) or 'none: there is no embedding'}, got {key!r}")
        if queries is not None:
            if key is None:
                raise ConfigError("queries calibrate one embedding: name its key by key=")
            queries = checked_queries(queries, self.embeddings[key])
        keys = known if key is None else (key,)
        self._maintenance.rewrite(Training(keys, None if settings == Settings() else settings, queries))

    def add_key(self, key: str, embedding: int | Mapping[str, Any]) -> None:
        """Declare a further embedding key, which no document has yet: `update` gives them its vectors.

        embedding: as of `create`. Durable when it returns; nothing is rewritten. Raises ConfigError for a key that the
        collection has.
        """
        declared = checked_embeddings({key: embedding})[key]
        with self._writing():
            self._maintenance.await_rewriting()
            self._versions.roll_forward()
            version = self._versions.current
            if key in version.embeddings:
                raise ConfigError(
                    f"the collection has an embedding {key!r} of {version.embeddings[key]} dimensions already: choose"
                    " another key, or drop that one first (drop)"
                )
            grown = {**version.quantizers, key: KeyQuantizer.untrained(declared.dim, declared.stored)}
            with self._versions.changing():
                self._journal.set_embeddings({**version.declared(), key: declared})
                self._versions.publish(version.with_keys(grown))

    def drop(
        self,
        *,
        keys: Sequence[str] = (),
        columns: Sequence[str] = (),
        terms: Sequence[str] = (),
        positions: Sequence[str] = (),
    ) -> None:
        """Remove parts of all documents: every segment is rewritten without them, while searches and writes go on.

        keys: embedding keys, with their vectors; columns: stored columns; terms: prefixes, without the colon, whose
        terms go; positions: prefixes whose positions go and whose terms stay. Durable when it returns, all of it or
        nothing. Raises ConfigError for what the collection does not have.
        """
        self._change(
            SchemaChange(
                keys=checked_names("keys", keys),
                columns=checked_names("columns", columns),
                terms=checked_prefixes(terms, "terms"),
                unpositioned=checked_prefixes(positions),
            )
        )

    def add_positions(self, prefixes: Sequence[str]) -> None:
        """Keep the positions of the terms of further prefixes, for `(phrase text ...)`: every segment is rewritten.

        The documents get the order of their terms as positions: the first `text:...` is at 0, the second at 1. Where
        that is not so (`term_positions` of checks/positions.py), upsert them again. Durable when it returns. Raises
        ConfigError for a prefix whose positions are kept already.
        """
        self._change(SchemaChange(positioned=checked_prefixes(prefixes)))

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace the metadata. Durable when it returns."""
        checked = checked_metadata(metadata)
        with self._writing(), self._versions.changing():
            self._journal.set_metadata(checked)
            self._versions.publish(replace(self._versions.current, metadata=checked))

    def close(self) -> None:
        """Release the folder. Snapshots taken before stay usable. A flush is not needed: nothing is lost.

        Background work is abandoned; if it is due, it begins again after the next opening.
        The end of `with`, of the collection's last reference and of the interpreter close it too. In a forked child
        this does nothing: the folder is the parent's.
        """
        self._closed = True
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- within

    def __reduce__(self) -> NoReturn:
        raise CollectionError(f"{self.path}: a collection cannot be sent to another process: open it there")

    def _change(self, change: SchemaChange) -> None:
        self._check_writable()
        if change != SchemaChange():
            self._maintenance.rewrite(change=change)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._check_open()  # before the lock, which in a forked child may be held for ever
        with self._versions.lock:
            self._check_open()
            yield

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._locked():
            self._check_writable()
            self._versions.roll_forward()
            yield

    def _check_writable(self) -> None:
        self._check_open()
        if self.read_only:
            raise CollectionError(f"{self.path} was opened with read_only=True: open it for writing to change it")

    def _check_open(self) -> None:
        if os.getpid() != self._process:
            raise CollectionError(
                f"{self.path} was opened by process {self._process}, and this is {os.getpid()}, forked from it: "
                "here it can be searched as it was at the fork; to write, refresh or verify, open it in a spawned one"
            )
        if self._closed:
            raise CollectionError(f"{self.path} is closed: open it again")


def _release(process: int, maintenance: Maintenance, versions: VersionSet, lock: WriterLock | None) -> None:
    """Close what a store holds. The function takes no reference to the store, which may be gone."""
    if os.getpid() != process:
        return  # everything belongs to the parent
    if maintenance.is_worker:  # the garbage collector runs in any thread; a thread cannot wait for itself
        threading.Thread(target=_release, args=(process, maintenance, versions, lock)).start()
        return
    maintenance.close()
    with versions.lock:
        versions.journal.close()
        if lock is not None:
            lock.release()
