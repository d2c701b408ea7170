"""An update as an upsert: whole documents, with the values of the table and the other values of the collection.

The journal and the memtable treat an update as an upsert, so it is durable, replayed and merged as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from alicorn.index.segment.building.documents import EMBEDDING, POSITIONS, Documents, listed_vectors
from alicorn.index.segment.parts.doc_ids import hash_ids
from alicorn.index.state.version import Version
from alicorn.index.writer.checks.documents import TABLE, Checked, pieces_of, typed
from alicorn.tables import concatenated, one_chunk, plain_table

_ROWS = 65_536  # documents at a time; fewer if their vectors would exceed the 32-bit offsets of Arrow's lists
_MOST_FLOATS = 1 << 30


def updated_documents(checked: Checked, given: Mapping[str, np.ndarray], version: Version) -> list[Documents]:
    """The documents of the table after the update, without those that the collection does not have.

    given: column -> (rows,) bool, True for the rows that give it; a column of the table that is not named: all rows.
    """
    doc_ids = one_chunk(checked.fields["doc_id"])
    hashes = hash_ids(doc_ids)
    arriving = checked.fields
    for key, part in checked.vectors.items():
        arriving = arriving.append_column(EMBEDDING + key, part.as_lists(len(doc_ids)))
    size = max(1, min(_ROWS, _MOST_FLOATS // max([1, *version.embeddings.values()])))
    documents: list[Documents] = []
    for before, rows in _stored(version, doc_ids, hashes, size):
        masks = {name: mask[rows] for name, mask in given.items()}
        if "terms" in masks:
            masks[POSITIONS] = masks["terms"]
        documents += _whole(_overlaid(before, arriving.take(pa.array(rows)), masks), version)
    return documents


def _stored(
    version: Version, doc_ids: pa.StringArray, hashes: np.ndarray, size: int
) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """Yield the stored documents in tables of `to_table`, at most `size` rows each, with their indices in `doc_ids`."""
    found = [(view, *view.live(doc_ids, hashes)) for view in version.views] if len(doc_ids) else []
    group: list[pa.Table] = []
    places: list[np.ndarray] = []
    for view, rows, numbers in found:
        for start in range(0, len(rows), size):
            chosen = slice(start, start + size)
            if sum(map(len, places)) + len(rows[chosen]) > size:
                yield concatenated(group), np.concatenate(places)
                group, places = [], []
            group.append(Documents.at(view.segment, numbers[chosen]).to_table())
            places.append(rows[chosen])
    if group:
        yield concatenated(group), np.concatenate(places)


def _overlaid(before: pa.Table, arriving: pa.Table, masks: Mapping[str, np.ndarray]) -> pa.Table:
    """The rows of `before`, with the columns of `arriving` in the rows of their masks."""
    count = len(before)
    both = concatenated([before, arriving])
    old = np.arange(count)
    columns = {}
    for name in both.column_names:
        rows = old
        if name in arriving.column_names:
            rows = np.where(masks[name], old + count, old) if name in masks else old + count
        columns[name] = both[name].take(pa.array(rows))
    return pa.table(columns)


def _whole(table: pa.Table, version: Version) -> list[Documents]:
    """The documents of a table of `to_table`, with the column types of the collection."""
    vectors = listed_vectors(table, version.embeddings)
    table = plain_table(table.drop_columns([EMBEDDING + key for key in version.embeddings]), TABLE)
    kinds = version.column_types()
    fields = pa.table({name: typed(name, table[name], kinds) for name in table.column_names})
    return pieces_of(fields, vectors, version.positions)
