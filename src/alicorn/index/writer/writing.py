"""One write: documents are deleted and added in one operation, by the journal or, if they are many, as a segment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from alicorn.index.segment.building.documents import Documents
from alicorn.index.segment.parts.doc_ids import hash_ids
from alicorn.index.segment.snapshot import Snapshot
from alicorn.index.state.version import Version
from alicorn.index.writer.checks.arguments import checked_given
from alicorn.index.writer.checks.documents import check_table, whole_documents
from alicorn.index.writer.checks.left_out import check_nothing_lost
from alicorn.index.writer.maintenance import Maintenance
from alicorn.index.writer.version_set import VersionSet
from alicorn.tables import one_chunk

_NO_IDS = pa.nulls(0, pa.string())  # not of pa.array, which would import pandas
_OWN = ("doc_id", "static_rank")  # fields of every document beside the stored columns


def write(
    versions: VersionSet,
    maintenance: Maintenance,
    documents: Callable[[Version], list[Documents]],
    deletes: pa.StringArray = _NO_IDS,
) -> tuple[int, int]:
    """Delete ids and add documents, or replace those of the same doc_id -> how many were added, how many deleted.

    documents: gives checked documents for the version without the deleted ids. It is called again if the lock was
    released meanwhile: another thread may have changed documents and added columns. Call this under the lock.
    """
    hashes = hash_ids(deletes)

    def prepared() -> tuple[Version, list[Documents], np.ndarray]:
        version, known = versions.current.without(deletes, hashes)
        return version, [piece.kept_by(version.quantizers) for piece in documents(version)], known

    version, pieces, known = prepared()
    count, size = _size(pieces)
    is_large = maintenance.is_bulk(max(count, len(deletes)), size)
    if maintenance.await_rewriting() if is_large else maintenance.make_room(count, size):
        version, pieces, known = prepared()
        count, size = _size(pieces)
    deleted = deletes.filter(pa.array(known))
    for piece in pieces:
        version, _ = version.without(piece.doc_ids, piece.id_hashes)
    columns = _columns_with(version.columns, pieces)
    version = replace(version, columns=columns or version.columns)
    if maintenance.is_bulk(max(count, len(deleted)), size):
        maintenance.add(version, pieces, columns)
    elif count or len(deleted):
        _append(versions, version, deleted, pieces, columns)
    return count, len(deleted)


def replacing_documents(
    upserts: pa.Table, given: Mapping[str, Sequence[bool] | np.ndarray] | None, version: Version
) -> list[Documents]:
    """The documents of an upsert, checked. Raises TableError, VectorError."""
    checked = check_table(upserts, version.embeddings, version.column_types(), version.positions)
    check_nothing_lost(checked, checked_given(given, upserts), version)
    return whole_documents(checked, version.embeddings, version.positions)


def repeat(
    versions: VersionSet, maintenance: Maintenance, operations: Sequence[tuple[str, pa.Table]]
) -> list[Snapshot]:
    """Append operations of the journal of another copy -> the snapshot after each. Call this under the lock."""
    maintenance.make_room(sum(len(table) for _, table in operations), sum(table.nbytes for _, table in operations))
    version, snapshots = versions.current, []
    for kind, table in operations:
        touched = one_chunk(table["doc_id"])
        version, _ = version.without(touched, hash_ids(touched))
        if kind == "upsert":
            documents = Documents.from_table(table, version.embeddings, version.positions)
            mutable = version.mutable.with_documents(documents.kept_by(version.quantizers), version.quantizers)
            version = replace(version, mutable=mutable)
        snapshots.append(version.snapshot(versions.journal.state.commits + 1))
    with versions.changing():
        versions.journal.append(operations)
        versions.publish(version)
    return snapshots


def _append(
    versions: VersionSet,
    version: Version,
    deleted: pa.StringArray,
    pieces: Sequence[Documents],
    columns: pa.Schema | None,
) -> None:
    """One transaction of the journal. Everything that can fail is done before the commit.

    version: the version without the documents that are deleted or replaced.
    """
    operations = [("delete", pa.table({"doc_id": deleted}))] if len(deleted) else []
    mutable = version.mutable
    for piece in pieces:
        operations.append(("upsert", piece.to_table()))
        mutable = mutable.with_documents(piece, version.quantizers)
    with versions.changing():
        versions.journal.append(operations, columns)
        versions.publish(replace(version, mutable=mutable))


def _size(pieces: Sequence[Documents]) -> tuple[int, int]:
    """How many documents there are, and their bytes."""
    return sum(piece.num_docs for piece in pieces), sum(piece.nbytes for piece in pieces)


def _columns_with(columns: pa.Schema, pieces: Sequence[Documents]) -> pa.Schema | None:
    """The schema of the stored columns after these documents; None if they add no column and decide no type.
    A column has the same type in all pieces that have it."""
    kinds = dict(zip(columns.names, columns.types, strict=True))
    arriving = [field for piece in pieces for field in piece.fields.schema if field.name not in _OWN]
    known = {**kinds, **{field.name: field.type for field in arriving}}
    return None if known == kinds else pa.schema(list(known.items()))
