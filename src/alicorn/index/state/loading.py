"""The loading of a version, when a collection is opened or a reader refreshes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from alicorn.errors import CorruptionError
from alicorn.index.durability.journal import Declared, Journal, SegmentRecord
from alicorn.index.segment.files.quantizer_file import open_quantizers, quantizer_path
from alicorn.index.segment.files.segment_file import open_segment, segment_path
from alicorn.index.segment.parts.doc_ids import hash_ids
from alicorn.index.segment.segment import Segment
from alicorn.index.segment.snapshot import SegmentView
from alicorn.index.state.memtable import Memtable
from alicorn.index.state.replay import replay
from alicorn.index.state.version import Version
from alicorn.quantization import KeyQuantizer


def load(journal: Journal, path: Path, before: Version | None = None, applied: int = 0) -> Version:
    """The current version in the manifest. Afterwards `journal.state` is of the same moment.

    before: the version loaded last, up to the operation `applied`; its segments are reused.
    A reader starts again if the writer has replaced files meanwhile.
    """
    while True:
        try:
            with journal.reading():
                return _load_moment(journal, path, before, applied)
        except CorruptionError:
            read = journal.state
            if not journal.read_only or journal.read_state().generation == read.generation:
                raise


def _load_moment(journal: Journal, path: Path, before: Version | None, applied: int) -> Version:
    state = journal.state
    declared, metadata, columns = journal.embeddings(), journal.metadata(), journal.columns()
    embeddings = {key: one.dim for key, one in declared.items()}
    records = journal.segments()
    if before is not None and before.generation == state.generation:
        quantizers = _quantizers(state.quantizers, path, declared, before)
        version = replace(before, metadata=metadata, columns=columns).with_keys(quantizers)
    else:
        applied = state.flushed
        quantizers = _quantizers(state.quantizers, path, declared, before)
        known = {} if before is None else {view.segment.name: view.segment for view in before.disk}
        version = Version(
            embeddings=embeddings,
            positions=journal.positions(),
            metadata=metadata,
            columns=columns,
            quantizers=quantizers,
            quantizer_file=state.quantizers,
            checksums={record.name: record.checksum for record in records},
            generation=state.generation,
            disk=tuple(_view(record, known, path, quantizers) for record in records),
            immutable=Memtable(),
            mutable=Memtable(),
        )
    touched, documents = replay(journal.operations(applied), embeddings, version.positions)
    if len(touched):
        version, _ = version.without(touched, hash_ids(touched))
    if documents is not None:
        documents = documents.kept_by(version.quantizers)
        mutable = version.mutable.with_documents(documents, version.quantizers)
        version = replace(version, mutable=mutable)
    return version


def _quantizers(
    record: tuple[str, str] | None, path: Path, declared: Mapping[str, Declared], before: Version | None
) -> Mapping[str, KeyQuantizer]:
    """The quantizers of the declared keys, in their order; those of a key that was added since are untrained."""
    known: Mapping[str, KeyQuantizer] = {}
    if before is not None and record == before.quantizer_file:
        known = before.quantizers
    elif record is not None:
        known = open_quantizers(quantizer_path(path, record[0]), record[1])
    return {key: known.get(key) or KeyQuantizer.untrained(one.dim, one.stored) for key, one in declared.items()}


def _view(
    record: SegmentRecord, known: Mapping[str | None, Segment], path: Path, quantizers: Mapping[str, KeyQuantizer]
) -> SegmentView:
    segment = known.get(record.name)
    if segment is None:
        segment = open_segment(segment_path(path, record.name), record.checksum, quantizers)
    view = SegmentView(segment.with_keys(quantizers))
    return view.without(record.tombstones) if len(record.tombstones) else view
