"""A check that an upsert, which replaces whole documents, drops no value of a document without saying so."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alicorn.errors import TableError
from alicorn.index.segment.building.documents import EMBEDDING
from alicorn.index.segment.parts.doc_ids import hash_ids
from alicorn.index.segment.segment import Segment
from alicorn.index.state.version import Version
from alicorn.index.writer.checks.documents import TABLE, Checked
from alicorn.tables import one_chunk


def check_nothing_lost(checked: Checked, given: Mapping[str, np.ndarray], version: Version) -> None:
    """Raise TableError if a document has a value for which the row that would replace it gives none.

    given: column -> (rows,) bool, True for the rows that give it; a column of the table that is not named: all rows.
    """
    possible = ("terms", "static_rank", *version.columns.names, *(EMBEDDING + key for key in version.embeddings))
    names = [name for name in possible if name not in checked.names or name in given]
    doc_ids = one_chunk(checked.fields["doc_id"])
    lost = {name: np.zeros(len(doc_ids), dtype=bool) for name in names}
    hashes: np.ndarray | None = None
    for view in version.views:
        held = [name for name in names if _is_held(view.segment, name)]
        if held and len(doc_ids):
            hashes = hash_ids(doc_ids) if hashes is None else hashes
            rows, numbers = view.live(doc_ids, hashes)
            for name in held:
                lost[name][rows] |= _has(view.segment, name, numbers)
    for name, mask in given.items():
        if name in lost:
            lost[name] &= ~mask
    counts = {name: int(np.count_nonzero(rows)) for name, rows in lost.items() if rows.any()}
    if counts:
        raise _lost(checked, lost, counts)


def _lost(checked: Checked, lost: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> TableError:
    name = next(iter(counts))
    row = int(np.argmax(lost[name]))
    rows = ", ".join(f"'{one}' ({count} {'row' if count == 1 else 'rows'})" for one, count in counts.items())
    message = (
        f"row {row}: upsert replaces the whole document {checked.fields['doc_id'][row].as_py()!r}, and the table leaves"
        f" out what such documents have: {rows}. To change only the columns that are given, use update. To remove the"
        " others, give them too: an empty list of terms, null as a vector or stored column, 0 as static_rank"
    )
    return TableError(message, table=TABLE, column=name, row=row, count=counts[name])


def _is_held(segment: Segment, name: str) -> bool:
    """Whether any document of the segment may have a value for a column: quick, and True too often."""
    if name == "terms":
        return len(segment.terms) > 0
    if name == "static_rank":
        return segment.has_ranks
    if name.startswith(EMBEDDING):
        return len(segment.embeddings[name.removeprefix(EMBEDDING)].docs) > 0
    return name in segment.fields.column_names


def _has(segment: Segment, name: str, numbers: np.ndarray) -> np.ndarray:
    """Which documents have a value for a column: (len(numbers),) bool."""
    has: np.ndarray
    if name == "terms":
        starts = segment.term_lists.starts
        has = starts[numbers + 1] > starts[numbers]
    elif name == "static_rank":
        has = segment.static_rank[numbers] != 0
    elif name.startswith(EMBEDDING):
        has = segment.embeddings[name.removeprefix(EMBEDDING)].rows_of[numbers] >= 0
    else:
        has = segment.fields[name].take(numbers).is_valid().to_numpy()
    return has
