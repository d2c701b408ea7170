"""Who searches? The row of columns that the request tower reads, from a table of searchers or from the request itself.

A column that is not known is null, which every feature has a meaning for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import AlicornError
from alicorn.features.kinds.ids import hashed_id, hashed_ids
from alicorn.retrieval.given import given_columns
from alicorn.retrieval.regions import REGION_TYPES, asks_for_regions, with_regions
from alicorn.tables import is_open, plain_table, python_values, repeated
from alicorn.vertical.columns import Column, ColumnType, arrow_type, read_as, refuse_rows
from alicorn.vertical.requests import latest
from alicorn.vertical.schema import Vertical

_HASHES = 2**31 - 1  # values of the hash by which an id is found

Searcher = str | Mapping[str, Any] | None
"""An id of the table of searchers, an object of columns, or nobody."""


class Searchers:
    """The searchers of a vertical. table: as in the log folder, the latest row of each; None: only what requests bring
    along. regions: of retrieval/regions.py, of some of them; without a table they are all that is known of them."""

    def __init__(self, vertical: Vertical, table: pa.Table | None, regions: pa.Table | None = None) -> None:
        """Columns of behaviour that no feature of the vertical reads are known where the table has them: ranking may
        read them. Raises TableError where a table breaks its contract."""
        self.regions = regions
        behaviour = vertical.request.behaviour
        further = [] if behaviour is None else behaviour.columns()
        if table is not None:
            further = [column for column in further if column.name in table.column_names]
            table = _checked(table, vertical, further)
        if regions is not None and table is None:
            table = _of_nobody(regions["searcher_id"], [*further, *vertical.searcher_columns()])
        if asks_for_regions(vertical):
            further = [*further, *REGION_TYPES]
            table = None if table is None else with_regions(table, table["searcher_id"], regions)
        self.columns = {column.name: column for column in (*further, *vertical.searcher_columns())}
        self._table = table
        self._ids = pa.array([], pa.string()) if self._table is None else self._table["searcher_id"].combine_chunks()
        hashed = hashed_ids(self._ids.cast(pa.large_string()), _HASHES)
        self._by_hash = np.argsort(hashed, kind="stable").astype(np.int32)
        self._hashes = hashed[self._by_hash]

    def __len__(self) -> int:
        return len(self._ids)

    def rows(self) -> pa.Table:
        """The columns of all searchers that the vertical reads; the last row is nobody's, all null."""
        nobody = pa.table({name: self._given({})[name] for name in self.columns})
        if self._table is None:
            return nobody
        return pa.concat_tables([self._table.select(list(self.columns)), nobody]).combine_chunks()

    def row(self, searcher: str | None) -> int:
        """The row of `rows()`. Raises AlicornError for an id that is not in the table."""
        found = None if searcher is None else self._row_of(searcher)
        return len(self) if found is None else found

    def request(self, text: str, searcher: Searcher) -> pa.Table:
        """One row: the query, and the columns of the searcher."""
        if isinstance(searcher, str):
            row = self._row_of(searcher)
            known = pa.table({}) if row is None else self._rows(row, 1).select(list(self.columns))
            columns = {name: known[name] for name in known.column_names}
        else:
            columns = self._given(searcher or {})
        return pa.table({"query": pa.array([text], pa.string()), **columns})

    def profile(self, searcher: Searcher) -> dict[str, Any]:
        """Every column that is known of the searcher, by name."""
        if isinstance(searcher, Mapping):
            return dict(searcher)
        row = None if searcher is None else self._row_of(searcher)
        return {} if row is None else self._values(row)

    def some(self, count: int) -> list[dict[str, Any]]:
        """Profiles of at most `count` searchers, evenly spread over the table."""
        count = min(count, len(self))
        return [self._values(at * len(self) // count) for at in range(count)]

    def _values(self, row: int) -> dict[str, Any]:
        known = self._rows(row, 1)
        return {name: python_values(known[name])[0] for name in known.column_names}

    def _rows(self, start: int, length: int) -> pa.Table:
        assert self._table is not None
        return self._table.slice(start, length)

    def _row_of(self, searcher_id: str) -> int | None:
        """None where there is no table and the vertical asks nothing of a searcher."""
        if self._table is None:
            if self.columns:
                raise AlicornError(
                    "a searcher's id needs a table of searchers: start the server with one, or send the searcher as an"
                    f" object of columns: {', '.join(self.columns)}"
                )
            return None
        hashed = hashed_id(searcher_id, _HASHES)
        for at in range(int(np.searchsorted(self._hashes, hashed)), len(self)):
            row = int(self._by_hash[at])
            if self._ids[row].as_py() == searcher_id:
                return row
            if self._hashes[at] != hashed:
                break
        raise AlicornError(f"searcher {searcher_id[:100]!r} is not in the table of searchers")

    def _given(self, searcher: Mapping[str, Any]) -> dict[str, pa.Array]:
        return given_columns(searcher, self.columns, "searcher", self._type)

    def _type(self, name: str) -> pa.DataType | None:
        """That of the table, where a value has decided it."""
        if self._table is None:
            return None
        kind = self._table.schema.field(name).type
        return None if is_open(kind) else kind


def _of_nobody(ids: pa.ChunkedArray, columns: Sequence[Column]) -> pa.Table:
    """Searchers of whom nothing is known but their ids."""
    kinds = {column.name: arrow_type([column], []) or pa.string() for column in columns}
    return pa.table({"searcher_id": ids, **{name: pa.nulls(len(ids), kind) for name, kind in kinds.items()}})


def _checked(table: pa.Table, vertical: Vertical, further: Sequence[Column]) -> pa.Table:
    searcher_id = Column("searcher_id", ColumnType.STRING, "every table of searchers")
    table = vertical.check_searchers(read_as(plain_table(table, "searchers"), [searcher_id, *further], "searchers"))
    table = latest(table)
    ids = table["searcher_id"]
    refuse_rows(pc.is_null(ids), "searchers", "searcher_id", "a key is null")
    again = repeated(ids)
    if again is not None:
        refuse_rows(again, "searchers", "searcher_id", "the key of an earlier row again")
    return table
