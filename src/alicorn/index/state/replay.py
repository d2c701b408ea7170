"""The replay of the journal: the ids that its operations touch, and the documents that remain.

The last operation on an id decides, so all operations together give one segment; a segment each would be thousands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

from alicorn.index.durability.journal import JournalEntry
from alicorn.index.segment.building.documents import Documents
from alicorn.tables import concatenated


def replay(
    operations: Iterable[JournalEntry], embeddings: Mapping[str, int], positioned: tuple[str, ...]
) -> tuple[pa.StringArray, Documents | None]:
    """-> the doc_ids that were upserted or deleted, and the upserted documents that remain, or None."""
    touched: dict[str, None] = {}
    last_row: dict[str, int] = {}  # doc_id -> row among all upserted rows
    tables: list[pa.Table] = []
    num_rows = 0
    for operation in operations:
        doc_ids = operation.table.column("doc_id").to_pylist()
        touched.update(dict.fromkeys(doc_ids))
        if operation.kind == "upsert":
            last_row.update(zip(doc_ids, range(num_rows, num_rows + len(doc_ids)), strict=True))
            num_rows += len(doc_ids)
            tables.append(operation.table)
        else:
            for doc_id in doc_ids:
                last_row.pop(doc_id, None)
    documents = None
    if last_row:
        table = concatenated(tables).combine_chunks()
        documents = Documents.from_table(table.take(pa.array(sorted(last_row.values()))), embeddings, positioned)
    return pa.array(list(touched), pa.string()), documents
