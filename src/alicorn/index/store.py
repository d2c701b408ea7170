"""Where documents are kept: durable, live, one writer and many readers. query/ adds searching to it (Collection).

    <path>/manifest.sqlite       journal and manifest (journal.py)
           writer.lock           (writer_lock.py)
           segments/<name>/      immutable segments (segment_file.py)
           quantizers/<name>/    (quantizer_file.py)

An upsert or delete is one transaction in the journal, and lives in memory (mutable.py) until a flush makes a segment of
it. A table too large for that becomes a segment at once, in one transaction too. Writing is serialised by a lock;
readers take the current snapshot, one reference, and never wait.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa

from alicorn.errors import CollectionError, CorruptionError
from alicorn.index.arguments import check_embeddings, checked_ids, checked_metadata
from alicorn.index.checking import check_documents
from alicorn.index.doc_ids import hash_ids
from alicorn.index.documents import Documents
from alicorn.index.journal import MANIFEST, Journal, SegmentRecord
from alicorn.index.mutable import MutableLayer
from alicorn.index.quantizer_file import open_quantizers
from alicorn.index.replay import replay
from alicorn.index.rewriting import Rewriting, rewrite
from alicorn.index.segment import Segment
from alicorn.index.segment_file import open_segment
from alicorn.index.snapshot import SegmentView, Snapshot, discard
from alicorn.index.training import Training
from alicorn.index.verify import Verification, verify_folder
from alicorn.index.writer_lock import WriterLock
from alicorn.quantization import KeyQuantizer

FLUSH_DOCS = 50_000  # the mutable layer is flushed before it would hold more documents,
FLUSH_BYTES = 128 << 20  # or more bytes,
FLUSH_OPERATIONS = 8_192  # or the journal more operations: they are replayed when the collection is opened


class Deletion(NamedTuple):
    """How many of the ids were deleted, and how many were not there."""

    deleted: int
    unknown: int


class Store:
    """A collection on disk. Every method may be called from any thread."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        """Use `create` or `open`."""
        self.path = path
        self.read_only = read_only
        self._write_lock = threading.RLock()
        self._closed = False
        if not path.is_dir():
            raise CollectionError(f"{path} is not a folder: create a collection there, or check the path")
        if not (path / MANIFEST).is_file():
            raise CollectionError(f"{path} holds no collection (no {MANIFEST}): create one, or check the path")
        self._lock_file = None if read_only else WriterLock(path)
        try:
            self._journal = Journal(path, read_only=read_only)
            try:
                self._data_version = self._journal.data_version()
                self._start()
            except BaseException:
                self._journal.close()
                raise
        except BaseException:
            if self._lock_file is not None:
                self._lock_file.release()
            raise

    @classmethod
    def create(
        cls,
        path: str | Path,
        embeddings: Mapping[str, int] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Self:
        """A new, empty collection in a folder that is empty or does not exist, opened for writing.

        embeddings: key -> dimension. metadata: whatever should be kept with the collection, as JSON.
        """
        path = Path(path)
        embeddings = dict(embeddings or {})
        check_embeddings(embeddings)
        metadata = checked_metadata(metadata or {})
        try:
            path.mkdir(parents=True, exist_ok=True)
            strangers = sorted(file.name for file in path.iterdir() if file.name != "manifest.creating")
            if strangers:
                raise CollectionError(
                    f"{path} is not empty ({', '.join(strangers[:3])}): open it, or create the collection elsewhere"
                )
            Journal.create(path, embeddings, metadata)
        except OSError as error:
            raise CollectionError(f"{path}: a collection cannot be created here: {error.strerror or error}") from error
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path, read_only: bool = False) -> Self:
        """An existing collection; every byte of its segments is verified.

        read_only: beside a writer in this or another process; `refresh` picks up what was committed since.
        Raises CollectionError (missing, in use, newer format) and CorruptionError.
        """
        return cls(Path(path), read_only=read_only)

    # -- reading

    @property
    def embeddings(self) -> dict[str, int]:
        """Embedding key -> dimension."""
        return dict(self._embeddings)

    @property
    def metadata(self) -> dict[str, Any]:
        """What was given to `create` or `set_metadata` last."""
        return json.loads(json.dumps(self._metadata))

    def snapshot(self) -> Snapshot:
        """The live documents as of now. Never waits, and stays as it is whatever is written later."""
        return self._snapshot

    def __len__(self) -> int:
        return self._snapshot.num_docs

    def get(self, doc_id: str) -> dict[str, Any] | None:
        """doc_id, terms, static_rank and stored columns of a document; None when it is not there."""
        found = self._snapshot.find(doc_id)
        return None if found is None else found[0].segment.document(found[1])

    def refresh(self) -> bool:
        """For a read-only collection: see what was committed since -> whether anything was."""
        with self._write_lock:
            self._check_open()
            if not self.read_only:
                return False
            version = self._journal.data_version()
            if version == self._data_version:
                return False
            self._load()
            self._data_version = version
            return True

    def verify(self) -> Verification:
        """Read every file and every row, and compare them with their checksums.

        Raises one CorruptionError that names everything damaged.
        """
        with self._write_lock:
            self._check_open()
            return verify_folder(self.path, self._journal)

    # -- writing

    def upsert(self, table: pa.Table) -> int:
        """Add documents, replacing those of the same doc_id -> how many. All or nothing; durable when it returns.

        Columns: see checking.py. Raises TableError or VectorError before anything is written.
        """
        with self._writing():
            pieces = check_documents(
                table, self._embeddings, dict(zip(self._columns.names, self._columns.types, strict=True))
            )
            count = sum(piece.num_docs for piece in pieces)
            if not count:
                return 0
            columns = self._columns_with(pieces)
            if count >= FLUSH_DOCS or sum(piece.nbytes for piece in pieces) >= FLUSH_BYTES:
                disk, mutable = self._disk, self._mutable.views
                for piece in pieces:
                    disk, _ = discard(disk, piece.doc_ids, piece.id_hashes)
                    mutable, _ = discard(mutable, piece.doc_ids, piece.id_hashes)
                self._rewrite(disk, mutable, arriving=pieces, columns=columns)
            else:
                self._upsert_in_memory(pieces[0], columns)
            return count

    def delete(self, doc_ids: Sequence[str]) -> Deletion:
        """Delete documents; an id that is not there is counted. All or nothing; durable when it returns."""
        wanted = checked_ids(doc_ids)
        with self._writing():
            hashes = hash_ids(wanted)
            disk, on_disk = discard(self._disk, wanted, hashes)
            mutable, in_memory = discard(self._mutable.views, wanted, hashes)
            known = on_disk | in_memory
            count = int(np.count_nonzero(known))
            if count >= FLUSH_DOCS:
                self._rewrite(disk, mutable)
            elif count:
                self._journal.append("delete", pa.table({"doc_id": wanted.filter(pa.array(known))}))
                self._publish(disk, MutableLayer(mutable, self._mutable.num_bytes))
            return Deletion(count, len(wanted) - count)

    def flush(self) -> None:
        """Make a segment of the mutable layer; train the quantizers and merge segments where that is due."""
        with self._writing():
            if self._journal.state.last > self._journal.state.flushed:
                self._rewrite(self._disk, self._mutable.views)

    def merge(self) -> None:
        """Flush, and merge all segments into one (or a few, where one would hold over 1 GiB of stored columns)."""
        with self._writing():
            self._rewrite(self._disk, self._mutable.views, everything=True)

    def train(self, num_clusters: int | None = None, codec: str | None = None, pq_bytes: int | None = None) -> None:
        """Train the quantizers of all keys on the stored vectors, and rebuild all segments with them.

        A flush does this by itself where it pays; see training.Training for the arguments.
        """
        training = Training(num_clusters, codec, pq_bytes)
        with self._writing():
            self._rewrite(self._disk, self._mutable.views, training=training)

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace the metadata. Durable when it returns."""
        checked = checked_metadata(metadata)
        with self._writing():
            self._journal.set_metadata(checked)
            self._metadata = checked

    def close(self) -> None:
        """Release the folder. Snapshots taken before stay usable; nothing is lost by not flushing."""
        with self._write_lock:
            if not self._closed:
                self._closed = True
                self._journal.close()
                if self._lock_file is not None:
                    self._lock_file.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- within

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._write_lock:
            self._check_open()
            if self.read_only:
                raise CollectionError(f"{self.path} was opened with read_only=True: open it for writing to change it")
            yield

    def _check_open(self) -> None:
        if self._closed:
            raise CollectionError(f"{self.path} is closed: open it again")

    def _start(self) -> None:
        self._quantizers: dict[str, KeyQuantizer] = {}
        self._quantizer_record: tuple[str, str] | None = None
        self._disk: tuple[SegmentView, ...] = ()
        self._mutable = MutableLayer()
        self._generation = -1
        self._applied = 0
        self._load()
        if not self.read_only:
            self._remove_orphans()

    def _load(self) -> None:
        """Bring memory to what the manifest says. A reader tries again when the writer replaced files meanwhile."""
        while True:
            try:
                with self._journal.reading():
                    self._load_moment()
                return
            except CorruptionError:
                read = self._journal.state
                if not self.read_only or self._journal.read_state().generation == read.generation:
                    raise

    def _load_moment(self) -> None:
        journal = self._journal
        disk, mutable, after = self._disk, self._mutable, self._applied
        quantizers, columns = self._quantizers, journal.columns()
        embeddings = journal.embeddings()
        records = {record.name: record for record in journal.segments()}
        if journal.state.generation != self._generation:
            quantizers = self._open_quantizers(embeddings)
            known = {view.segment.name: view.segment for view in self._disk}
            disk = tuple(self._open_view(record, known, quantizers) for record in records.values())
            mutable, after = MutableLayer(), journal.state.flushed
        touched, documents = replay(journal.operations(after), embeddings)
        if len(touched):
            hashes = hash_ids(touched)
            disk, _ = discard(disk, touched, hashes)
            views, _ = discard(mutable.views, touched, hashes)
            mutable = MutableLayer(views, mutable.num_bytes)
        if documents is not None:
            mutable = mutable.with_documents(documents, quantizers)
        self._embeddings, self._metadata, self._columns = embeddings, journal.metadata(), columns
        self._quantizers, self._quantizer_record = quantizers, journal.state.quantizers
        self._generation, self._records = journal.state.generation, records
        self._publish(disk, mutable)

    def _open_quantizers(self, embeddings: Mapping[str, int]) -> dict[str, KeyQuantizer]:
        record = self._journal.state.quantizers
        if record is None:
            return {key: KeyQuantizer.untrained(dim) for key, dim in embeddings.items()}
        if record == self._quantizer_record:
            return self._quantizers
        return open_quantizers(self.path / "quantizers" / record[0], record[1])

    def _open_view(
        self, record: SegmentRecord, known: Mapping[str | None, Segment], quantizers: Mapping[str, KeyQuantizer]
    ) -> SegmentView:
        segment = known.get(record.name)
        if segment is None:
            segment = open_segment(self.path / "segments" / record.name, record.header_checksum, quantizers)
        view = SegmentView(segment)
        return view.without(record.tombstones) if len(record.tombstones) else view

    def _upsert_in_memory(self, documents: Documents, columns: pa.Schema | None) -> None:
        """One row of the journal. All that can fail is done before the commit."""
        state = self._journal.state
        if (
            self._mutable.num_docs + documents.num_docs > FLUSH_DOCS
            or self._mutable.num_bytes + documents.nbytes > FLUSH_BYTES
            or state.last - state.flushed >= FLUSH_OPERATIONS
        ):
            self._rewrite(self._disk, self._mutable.views)
        disk, _ = discard(self._disk, documents.doc_ids, documents.id_hashes)
        views, _ = discard(self._mutable.views, documents.doc_ids, documents.id_hashes)
        mutable = MutableLayer(views, self._mutable.num_bytes).with_documents(documents, self._quantizers)
        self._journal.append("upsert", documents.to_table(), columns)
        self._columns = columns or self._columns
        self._publish(disk, mutable)

    def _rewrite(
        self,
        disk: tuple[SegmentView, ...],
        mutable: tuple[SegmentView, ...],
        *,
        arriving: Sequence[Documents] = (),
        columns: pa.Schema | None = None,
        training: Training | None = None,
        everything: bool = False,
    ) -> None:
        """Write segments for what is in memory and arriving, merge and train as due, and swap them in."""
        self._generation += 1
        plan = Rewriting(disk, mutable, arriving, self._quantizers, self._generation, training, everything)
        rewritten = rewrite(plan, self.path)
        records = [self._record(view, rewritten.checksums) for view in rewritten.disk]
        quantizer_record = rewritten.quantizer_record or self._quantizer_record
        self._journal.swap(self._generation, records, quantizer_record, columns)
        self._records = {record.name: record for record in records}
        self._quantizers, self._quantizer_record = rewritten.quantizers, quantizer_record
        self._columns = columns or self._columns
        self._publish(rewritten.disk, MutableLayer())
        self._remove_orphans()

    def _record(self, view: SegmentView, checksums: Mapping[str, str]) -> SegmentRecord:
        name = view.segment.name
        assert name is not None
        dead = np.empty(0, np.uint32) if view.deleted is None else np.flatnonzero(view.deleted).astype(np.uint32)
        return SegmentRecord(name, checksums.get(name) or self._records[name].header_checksum, dead)

    def _publish(self, disk: tuple[SegmentView, ...], mutable: MutableLayer) -> None:
        """One assignment makes the new snapshot current."""
        self._disk, self._mutable = disk, mutable
        self._applied = self._journal.state.last
        views = tuple(view for view in (*disk, *mutable.views) if view.num_live)
        self._snapshot = Snapshot(
            segments=views,
            quantizers=self._quantizers,
            num_docs=sum(view.num_live for view in views),
            embeddings=self._embeddings,
            columns={"static_rank": pa.float64(), **self._column_types()},
            sequence=self._applied,
        )

    def _column_types(self) -> dict[str, pa.DataType]:
        return dict(zip(self._columns.names, self._columns.types, strict=True))

    def _columns_with(self, pieces: Sequence[Documents]) -> pa.Schema | None:
        """The schema of stored columns with those that arrive for the first time; None when there is none."""
        own = {"doc_id", "static_rank", *self._columns.names}
        arriving = [field for field in pieces[0].fields.schema if field.name not in own]
        return pa.schema([*self._columns, *arriving]) if arriving else None

    def _remove_orphans(self) -> None:
        """Folders that the manifest does not name: replaced, or left by a crash. Mapped ones stay readable."""
        record = self._quantizer_record
        for folder, named in (("segments", set(self._records)), ("quantizers", {record[0]} if record else set())):
            if (self.path / folder).is_dir():
                for entry in (self.path / folder).iterdir():
                    if entry.name not in named:
                        shutil.rmtree(entry, ignore_errors=True)
