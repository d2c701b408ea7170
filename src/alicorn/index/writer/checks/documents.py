"""Checks of a table of documents: all checks of an upsert or update, before anything is written.

    doc_id            string, required: not null, not empty, distinct
    terms             list<string>, optional: a null list means no terms; null and empty terms are refused
    term_positions    list<integer>, optional, in a collection that keeps positions: see positions.py
    embedding:<key>   list<float32 or float64>, optional: see vectors.py
    static_rank       float or integer of any size, optional, 0 without the column: finite, not null
    others            stored columns of every type that alicorn.tables reads; the first value decides the type

alicorn.tables reads the table first, so that all Arrow encodings of one type are checked as that type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import TableError
from alicorn.index.segment.building.documents import EMBEDDING, POSITIONS, Documents, KeyVectors
from alicorn.index.writer.checks.positions import positions_of, refuse_positions
from alicorn.index.writer.checks.vectors import unit_vectors
from alicorn.tables import is_open, plain_table, repeated
from alicorn.tables.plain import text_column
from alicorn.tables.unify import fitted, merged

TABLE = "documents"  # the name of the table in messages
_IDS = re.compile(r"(^|[\W_])([iI][dD]|[sS][kK][uU]|docid)$|[a-z]I[dD]$")  # columns that end in a word for an id
_POSITION_LISTS = pa.list_(pa.uint32())
PIECE_BYTES = 1 << 30  # of stored columns: Arrow strings of one segment have 32-bit offsets


class Checked(NamedTuple):
    """What a table gives. fields: doc_id and, where given, terms with their positions, static_rank and stored columns,
    each in the type of the collection; vectors: of the embedding keys that are given."""

    fields: pa.Table
    vectors: dict[str, KeyVectors]

    @property
    def names(self) -> set[str]:
        """The columns of the table."""
        return {*self.fields.column_names, *(EMBEDDING + key for key in self.vectors)}


def check_table(
    table: pa.Table,
    embeddings: Mapping[str, int],
    columns: Mapping[str, pa.DataType],
    positioned: tuple[str, ...] = (),
    verb: str = "upsert",
) -> Checked:
    """The columns of a table, checked.

    embeddings: key -> dimension; columns: the stored columns that the collection has already; positioned: the prefixes
    of terms whose positions it keeps; verb: what was called.
    Raises TableError, and VectorError for the contents of an embedding: column, first bad row, count, remedy.
    """
    _check_shape(table, verb)
    table = plain_table(table, TABLE)
    own = {"doc_id": _doc_ids, "terms": _terms, "static_rank": _ranks}
    names = table.column_names
    fields: dict[str, pa.ChunkedArray] = {name: check(table) for name, check in own.items() if name in names}
    if not positioned:
        refuse_positions(table)
    elif "terms" in fields:
        some = [positions_of(table, fields["terms"], positioned)] if table.num_rows else []
        fields[POSITIONS] = pa.chunked_array(some, _POSITION_LISTS)
    elif POSITIONS in names and table[POSITIONS].null_count < table.num_rows:
        message = f"column '{POSITIONS}' holds the positions of terms: give the column 'terms' beside it"
        raise TableError(message, table=TABLE, column=POSITIONS)
    vectors: dict[str, KeyVectors] = {}
    for name in names:
        if name.startswith(EMBEDDING):
            key = _known_key(name, embeddings)
            vectors[key] = KeyVectors(*unit_vectors(table[name], name, embeddings[key]))
        elif name not in fields and name != POSITIONS:
            fields[name] = typed(name, table[name], columns)
    return Checked(pa.table(fields), vectors)


def check_documents(
    table: pa.Table,
    embeddings: Mapping[str, int],
    columns: Mapping[str, pa.DataType],
    positioned: tuple[str, ...] = (),
) -> list[Documents]:
    """The table as whole documents. Arguments and errors are those of `check_table`."""
    return whole_documents(check_table(table, embeddings, columns, positioned), embeddings, positioned)


def whole_documents(
    checked: Checked, embeddings: Mapping[str, int], positioned: tuple[str, ...] = ()
) -> list[Documents]:
    """Documents that have what the table gives, and nothing else: one piece, or several where a segment should not
    hold them all. embeddings: key -> dimension; positioned: as of `check_table`."""
    count = checked.fields.num_rows
    missing = {"terms": pa.scalar([], pa.list_(pa.string())), "static_rank": pa.scalar(0.0)}
    if positioned:
        missing[POSITIONS] = pa.scalar([], _POSITION_LISTS)
    own = {name: _filled(count, value) for name, value in missing.items()}
    given = {name: checked.fields[name] for name in checked.fields.column_names}
    fields = pa.table({"doc_id": given["doc_id"], **own, **given})
    none = {key: KeyVectors.none(dim) for key, dim in embeddings.items()}
    return pieces_of(fields, {**none, **checked.vectors}, positioned)


def _check_shape(table: pa.Table, verb: str) -> None:
    if not isinstance(table, pa.Table):
        raise TableError(f"{verb} takes a pyarrow.Table, got {type(table).__name__}", table=TABLE)
    names = table.column_names
    if "doc_id" not in names:
        ids = [name for name in names if _IDS.search(name)]
        hint = f"if '{ids[0]}' is the id of a document, rename it to doc_id; " if ids else ""
        message = f"column 'doc_id' is missing, the id of each document: {hint}columns: {', '.join(names) or 'none'}"
        raise TableError(message, table=TABLE, column="doc_id")


def _doc_ids(table: pa.Table) -> pa.ChunkedArray:
    column = text_column(table["doc_id"], TABLE, "doc_id")
    if not pa.types.is_string(column.type):
        message = f"column 'doc_id' must be string, got {column.type}: cast it, or prefix integer ids"
        raise TableError(message, table=TABLE, column="doc_id")
    _refuse("doc_id", column.is_null(), "is null", "give every document an id")
    _refuse("doc_id", pc.equal(pc.binary_length(column), 0), "is empty", "give every document an id")
    again = repeated(column)
    if again is not None:
        what = f"repeats the id {column[int(np.argmax(again))].as_py()!r}"
        _refuse("doc_id", again, what, "keep one row for each document")
    return column


def _terms(table: pa.Table) -> pa.ChunkedArray:
    """The terms as list<string>; a null list becomes an empty one."""
    wanted = pa.list_(pa.string())
    column = table["terms"]
    if is_open(column.type) and not pa.types.is_struct(column.type):
        column = column.cast(wanted)
    column = text_column(column, TABLE, "terms")
    if column.type != wanted:
        message = f"column 'terms' must be list<string>, got {column.type}"
        raise TableError(message, table=TABLE, column="terms")
    flat, owners = pc.list_flatten(column), pc.list_parent_indices(column)
    for bad, what in ((flat.is_null(), "is null"), (pc.equal(pc.binary_length(flat), 0), "is empty")):
        if pc.any(bad).as_py():
            marked = np.zeros(table.num_rows, dtype=bool)
            marked[_numpy(owners)[_numpy(pc.fill_null(bad, False))]] = True
            _refuse("terms", marked, f"holds a term that {what}", "leave such terms out")
    return pc.if_else(column.is_null(), pa.scalar([], wanted), column) if column.null_count else column


def _ranks(table: pa.Table) -> pa.ChunkedArray:
    """The static ranks as float64."""
    column = table["static_rank"]
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_null(column.type)):
        message = f"column 'static_rank' must be a float or an integer, got {column.type}"
        raise TableError(message, table=TABLE, column="static_rank")
    _refuse("static_rank", column.is_null(), "is null", "fill nulls, for example with 0")
    ranks = column.cast(pa.float64(), safe=False)
    _refuse("static_rank", pc.is_nan(ranks), "is NaN", "fill it, for example with 0")
    _refuse("static_rank", pc.is_inf(ranks), "is infinite", "scale the ranks")
    return ranks


def _known_key(name: str, embeddings: Mapping[str, int]) -> str:
    key = name.removeprefix(EMBEDDING)
    if key not in embeddings:
        declared = ", ".join(embeddings) or "none"
        message = (
            f"column '{name}': the collection has no embedding '{key}'; it has: {declared}. Rename the column, or add"
            " the key first (add_key)"
        )
        raise TableError(message, table=TABLE, column=name)
    return key


def typed(name: str, column: pa.ChunkedArray, columns: Mapping[str, pa.DataType]) -> pa.ChunkedArray:
    """The column, cast to its type in the collection if values have decided that type."""
    kept = columns.get(name, column.type)
    kind = merged(kept, column.type)
    if kind is None:
        message = f"column '{name}' is {kept} in this collection, got {column.type}: cast it to {kept}"
        raise TableError(message, table=TABLE, column=name)
    return column if kind == column.type else pa.chunked_array([fitted(chunk, kind) for chunk in column.chunks], kind)


def _refuse(column: str, bad: pa.ChunkedArray | np.ndarray, what: str, remedy: str) -> None:
    """Raise TableError if `bad` marks any row. bad: (rows,) booleans; null counts as false."""
    marked = bad if isinstance(bad, np.ndarray) else _numpy(pc.fill_null(bad, False))
    count = int(np.count_nonzero(marked))
    if count:
        row = int(np.argmax(marked))
        message = f"column '{column}', row {row}: {what} ({count} such {'row' if count == 1 else 'rows'}); {remedy}"
        raise TableError(message, table=TABLE, column=column, row=row, count=count)


def _numpy(column: pa.ChunkedArray) -> np.ndarray:
    values: np.ndarray = column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    return values


def _filled(count: int, value: pa.Scalar) -> pa.ChunkedArray:
    return pa.chunked_array([pa.repeat(value, count)] if count else [], type=value.type)


def pieces_of(table: pa.Table, vectors: dict[str, KeyVectors], positioned: tuple[str, ...] = ()) -> list[Documents]:
    """Documents of checked columns: doc_id, terms, their positions, static_rank, stored columns, and vectors of every
    embedding key."""
    if not table.num_rows:
        return []
    if table.nbytes <= PIECE_BYTES:
        return [Documents.of_table(table, vectors, positioned)]
    size = max(1, table.num_rows * PIECE_BYTES // table.nbytes)
    pieces = []
    for start in range(0, table.num_rows, size):
        rows = {key: slice(*np.searchsorted(part.docs, [start, start + size])) for key, part in vectors.items()}
        own = {key: part.take(rows[key], part.docs[rows[key]] - start) for key, part in vectors.items()}
        pieces.append(Documents.of_table(table.slice(start, size), own, positioned))
    return pieces
