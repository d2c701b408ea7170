"""The input of the request tower for logged searches: query, columns of the searcher, context, and earlier behaviour.

The columns of `behaviour` are as they were before the search. The table of searchers has them as they are at the end of
the log, for requests that are served later. Where that table has a `time`, a searcher has several rows, and a search
takes the last one that is not later than it.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.vertical.columns import bad_rows

AS_OF = "time"
"""The column of searchers that says from when on a row holds."""


class RequestTables(NamedTuple):
    """What is known of searches beside their query, as `mine` wrote it; None where it did not.

    searchers: by searcher_id. behaviour, context: by search_id.
    """

    searchers: pa.Table | None = None
    behaviour: pa.Table | None = None
    context: pa.Table | None = None

    @property
    def by_key(self) -> list[tuple[str, str, pa.Table]]:
        """(name, key, table) of those that are there."""
        keys = (
            ("searchers", "searcher_id", self.searchers),
            ("behaviour", "search_id", self.behaviour),
            ("context", "search_id", self.context),
        )
        return [(name, key, table) for name, key, table in keys if table is not None]


def request_table(searches: pa.Table, known: RequestTables) -> pa.Table:
    """`query` beside the columns of each search's searcher, behaviour and context; null where nothing is known.

    searches: has query, searcher_id, search_id, time. Raises TableError as check_known does.
    """
    check_known(searches, known)
    columns = {"query": searches["query"]}
    for name, key, table in known.by_key:
        as_of = name == "searchers" and AS_OF in table.column_names
        rows = _rows_as_of(searches, table) if as_of else _rows_of(searches, table, key)
        left = {key, "query", AS_OF} if as_of else {key, "query"}
        found = table.select([column for column in table.column_names if column not in left]).take(rows)
        columns |= {column: found[column] for column in found.column_names}
    return pa.table(columns)


def check_known(searches: pa.Table, known: RequestTables) -> None:
    """Raises TableError for a searcher or a search that its table does not have."""
    for name, key, table in known.by_key:
        lost = pc.and_(pc.is_null(_rows_of(searches, table, key)), pc.is_valid(searches[key])).to_numpy()
        if count := int(lost.sum()):
            row = int(lost.argmax())
            problem = f"{searches[key][row].as_py()!r} is not in {name}.parquet: run `alicorn mine` again"
            bad_rows("pairs", key, problem, row=row, count=count)


def latest(searchers: pa.Table) -> pa.Table:
    """The last row of each searcher, without the time; the table itself where it has none."""
    if AS_OF not in searchers.column_names:
        return searchers
    order = pc.sort_indices(searchers, [("searcher_id", "ascending"), (AS_OF, "ascending")])
    ordered = searchers.take(order)
    ids = ordered["searcher_id"].combine_chunks()
    is_last = np.ones(len(ids), dtype=bool)
    if len(ids) > 1:
        is_last[:-1] = pc.not_equal(ids[:-1], ids[1:]).to_numpy(zero_copy_only=False)
    return ordered.filter(pa.array(is_last)).drop_columns([AS_OF])


def _rows_of(searches: pa.Table, table: pa.Table, key: str) -> pa.ChunkedArray:
    return pc.index_in(searches[key], table[key].combine_chunks())


def _rows_as_of(searches: pa.Table, searchers: pa.Table) -> pa.Array:
    """The last row of each searcher that is not later than the search; null before the first."""
    ids = pc.unique(searchers["searcher_id"].combine_chunks())
    who, asked = (
        pc.fill_null(pc.index_in(table["searcher_id"], ids), -1).to_numpy() for table in (searchers, searches)
    )
    times = [np.asarray(table[AS_OF].cast(pa.timestamp("us")).cast(pa.int64())) for table in (searchers, searches)]
    moments, places = np.unique(np.concatenate(times), return_inverse=True)
    since, at = np.split(places, [len(searchers)])
    keys = who.astype(np.int64) * len(moments) + since  # by searcher, then by time
    order = np.argsort(keys, kind="stable")
    before = np.searchsorted(keys[order], asked.astype(np.int64) * len(moments) + at, side="right") - 1
    rows = order[np.maximum(before, 0)]
    return pa.array(rows, mask=(before < 0) | (asked < 0) | (who[rows] != asked))
