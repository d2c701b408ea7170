"""A changed vertical for published documents: terms, stored columns and static rank anew, vectors as they are."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from alicorn.errors import CollectionError
from alicorn.index.segment.building.documents import EMBEDDING
from alicorn.publishing.documents import BATCH_ROWS, open_documents
from alicorn.publishing.provenance import metadata_of_vertical
from alicorn.query import Collection
from alicorn.tables import PartFiles

if TYPE_CHECKING:  # a plain table is published without a vertical, and so without pydantic
    from alicorn.vertical import Vertical


class Rederived(NamedTuple):
    """updated, unknown: documents that follow the vertical now, and rows of documents that the collection lacks.

    kept: stored columns that the vertical does not have; seconds: it took.
    """

    updated: int
    unknown: int
    kept: list[str]
    seconds: float


def rederive(
    documents: Path,
    into: Path,
    vertical: Vertical,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Rederived:
    """Give all documents of a collection what this vertical derives from the table; keys and vectors stay.

    A batch is changed as a whole. Until all are, the collection remembers the vertical that it was published with: run
    it again if it was killed. on_progress(done, total) is called after every batch.
    Raises TableError, ConfigError; CollectionError, before any change, where the table lacks documents of the
    collection, whose terms would stay those of the other vertical.
    """
    started = time.perf_counter()
    updated = unknown = 0
    with Collection.open(into) as collection:
        source = open_documents(documents, kept=vertical.document_types())
        _check_complete(source, collection)
        positions = [prefix for prefix in vertical.positions() if prefix not in collection.positions]
        if positions:
            collection.add_positions(positions)
        for batch in source.batches(num_rows=BATCH_ROWS):
            with source.located(updated + unknown):
                done = collection.update(_derived(batch, vertical))
            updated, unknown = updated + done.updated, unknown + done.unknown
            on_progress(updated + unknown, source.num_rows)
        collection.set_metadata({**collection.metadata, **metadata_of_vertical(vertical)})
        collection.flush()
        kept = sorted(set(collection.snapshot().columns) - {*vertical.document.stored, "static_rank"})
    return Rederived(updated, unknown, kept, time.perf_counter() - started)


def _derived(documents: pa.Table, vertical: Vertical) -> pa.Table:
    table = vertical.index_table(documents)
    table = table.drop_columns([name for name in table.column_names if name.startswith(EMBEDDING)])
    if vertical.document.static_rank is None:
        table = table.append_column("static_rank", pa.repeat(0.0, len(table)))
    return table


def _check_complete(source: PartFiles, collection: Collection) -> None:
    snapshot = collection.snapshot()
    ids = source.read(["doc_id"])["doc_id"].to_pylist()
    lacking = len(collection) - sum(snapshot.find(doc_id) is not None for doc_id in ids)
    if lacking:
        raise CollectionError(
            f"the table lacks {lacking:,} of the collection's {len(collection):,} documents, whose terms and columns"
            " would stay those of the other vertical: give a table of all, or make the collection anew by `alicorn"
            " publish` with --overwrite"
        )
