"""The input of the request tower for logged searches: query, columns of the searcher, and earlier behaviour.

The columns of `behaviour` are as they were before the search. The table of searchers has them as they are at the end of
the log, for requests that are served later.
"""

import pyarrow as pa
import pyarrow.compute as pc

from alicorn.vertical.columns import bad_rows


def request_table(searches: pa.Table, searchers: pa.Table | None, behaviour: pa.Table | None) -> pa.Table:
    """`query` beside the columns of each search's searcher; null where there is no searcher.

    searches: has query, searcher_id, session_id. searchers, behaviour: as `mine` wrote them, None where it did not.
    Raises TableError as check_known does.
    """
    check_known(searches, searchers, behaviour)
    columns = {"query": searches["query"]}
    for key, table in (("searcher_id", searchers), ("session_id", behaviour)):
        if table is not None:
            known = table.take(_rows_of(searches, table, key))
            columns |= {name: known[name] for name in known.column_names if name not in (key, "query")}
    return pa.table(columns)


def check_known(searches: pa.Table, searchers: pa.Table | None, behaviour: pa.Table | None) -> None:
    """Raises TableError for a searcher or a search that its table does not have."""
    for name, key, table in (("searchers", "searcher_id", searchers), ("behaviour", "session_id", behaviour)):
        if table is not None:
            lost = pc.and_(pc.is_null(_rows_of(searches, table, key)), pc.is_valid(searches[key])).to_numpy()
            if count := int(lost.sum()):
                row = int(lost.argmax())
                problem = f"{searches[key][row].as_py()!r} is not in {name}.parquet: run `alicorn mine` again"
                bad_rows("pairs", key, problem, row=row, count=count)


def _rows_of(searches: pa.Table, table: pa.Table, key: str) -> pa.ChunkedArray:
    return pc.index_in(searches[key], table[key].combine_chunks())
