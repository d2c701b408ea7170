"""Checks of the positions of terms in an upsert; without positions, the terms are counted.

The column `term_positions` is list<integer> beside `terms`: where among the words of its document a term is. The
positions of the terms of one prefix ascend, from 0 to MAX_POSITION; several terms may have one position. A null row,
or a table without the column, means the order of the terms: the first `text:...` is at 0, the second at 1.
"""

from __future__ import annotations

from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import TableError
from alicorn.index.segment.building.documents import POSITIONS
from alicorn.index.segment.parts.positions import MAX_POSITION
from alicorn.index.segment.parts.terms import places_in_rows
from alicorn.tables import is_open, one_chunk


def positions_of(table: pa.Table, terms: pa.ChunkedArray, positioned: tuple[str, ...]) -> pa.ListArray:
    """The positions as list<uint32>, parallel to `terms` (list<string> without nulls); 0 for terms of other prefixes.

    Raises TableError.
    """
    lists = one_chunk(terms)
    flat = lists.flatten()
    starts = np.zeros(len(lists) + 1, dtype=np.int32)
    np.cumsum(lists.value_lengths().to_numpy(zero_copy_only=False), out=starts[1:])
    given, has_given = _given(table, starts)
    positions = np.zeros(len(flat), dtype=np.uint32)
    for prefix in positioned:
        own = np.flatnonzero(pc.starts_with(flat, f"{prefix}:").to_numpy(zero_copy_only=False))
        rows, places = places_in_rows(own, starts)
        numbers = np.where(has_given[rows], given[own], places)
        falls = np.flatnonzero((np.diff(numbers) < 0) & (np.diff(rows) == 0)) + 1
        if len(falls):
            term = flat[int(own[falls[0]])].as_py()
            what = f"the position {numbers[falls[0]]} of {term!r} is below that of the '{prefix}:' term before it"
            _refuse(what, "give the terms of a prefix in the order of their positions", rows[falls])
        positions[own] = numbers
    return pa.ListArray.from_arrays(pa.array(starts), pa.array(positions))


def refuse_positions(table: pa.Table) -> None:
    """Raise TableError if a table for a collection without positions has some."""
    if POSITIONS in table.column_names:
        raise TableError(
            f"column '{POSITIONS}' holds positions of terms, and this collection keeps none: add_positions(['text'])"
            " for those of text:..., or leave the column out",
            table="documents",
            column=POSITIONS,
        )


def _given(table: pa.Table, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The given positions, (terms,) int64, 0 in rows without any; and which rows have positions, (rows,) bool."""
    found, has = np.zeros(starts[-1], dtype=np.int64), np.zeros(len(starts) - 1, dtype=bool)
    if POSITIONS not in table.column_names:
        return found, has
    column = table[POSITIONS]
    if is_open(column.type) and not pa.types.is_struct(column.type):
        column = column.cast(pa.list_(pa.int64()))
    if not pa.types.is_list(column.type) or not pa.types.is_integer(column.type.value_type):
        message = f"column '{POSITIONS}' must be list<integer>, got {column.type}"
        raise TableError(message, table="documents", column=POSITIONS)
    lists = one_chunk(column)
    has = lists.is_valid().to_numpy(zero_copy_only=False).astype(bool)
    lengths = pc.fill_null(lists.value_lengths(), 0).to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(has & (lengths != np.diff(starts)))
    if len(wrong):
        row = wrong[0]
        _refuse(f"{lengths[row]} positions of {starts[row + 1] - starts[row]} terms", "give one for each term", wrong)
    numbers = lists.flatten()
    allowed = pc.and_(pc.greater_equal(numbers, 0), pc.less_equal(numbers, MAX_POSITION))
    bad = np.flatnonzero(~pc.fill_null(allowed, False).to_numpy(zero_copy_only=False).astype(bool))
    if len(bad):
        rows = np.repeat(np.arange(len(has)), lengths)[bad]
        _refuse(f"the position {numbers[int(bad[0])].as_py()}", f"a position is from 0 to {MAX_POSITION}", rows)
    found[np.repeat(has, np.diff(starts))] = numbers.to_numpy(zero_copy_only=False).astype(np.int64)
    return found, has


def _refuse(problem: str, remedy: str, rows: np.ndarray) -> NoReturn:
    """Raise TableError. rows: all rows with the problem, ascending; the message names the first."""
    row, count = int(rows[0]), len(np.unique(rows))
    message = f"column '{POSITIONS}', row {row}: {problem} ({count} such {'row' if count == 1 else 'rows'}); {remedy}"
    raise TableError(message, table="documents", column=POSITIONS, row=row, count=count)
