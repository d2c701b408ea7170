"""The queries that many searched for and that begin as somebody types, the most frequent first.

Read once, of a table of searches. A query counts once for each searcher, and one of fewer than three is never shown: it
may say who searched.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import TableError
from alicorn.tables import open_parts
from alicorn.text import normalize

LEAST = 3
"""Searchers of a query; without a column of searchers, searches."""
_MOST = 100_000  # queries that are kept
_AFTER_ALL = chr(0x10FFFF)


class PopularQueries:
    """queries: in their one normalised form, ascending; counts: of each, (queries,) integers."""

    def __init__(self, queries: Sequence[str] = (), counts: Sequence[int] = ()) -> None:
        self._queries = list(queries)
        self._counts = np.asarray(counts, dtype=np.int64)

    @classmethod
    def read(cls, path: Path) -> PopularQueries:
        """Of a file or folder of searches, as `searches` of a served log: query, and searcher_id where it is known.

        Raises TableError where there is no column of queries.
        """
        parts = open_parts(path, "searches")
        if "query" not in parts.schema.names:
            raise TableError(
                f"{path}: popular queries are read of a column query, and there is none",
                table="searches",
                column="query",
            )
        known = [name for name in ("query", "searcher_id") if name in parts.schema.names]
        asked = parts.read(known)
        texts = asked.column("query").cast(pa.string()).combine_chunks().dictionary_encode()
        folded = pa.array([normalize(text or "").strip() for text in texts.dictionary.to_pylist()], pa.string())
        searches = pa.table({"query": folded.take(texts.indices)})
        if "searcher_id" in known:
            who = asked.column("searcher_id").cast(pa.string())
            searches = searches.append_column("who", who)
            named = searches.filter(pc.is_valid(who)).group_by(["query", "who"]).aggregate([]).select(["query"])
            searches = pa.concat_tables([named, searches.filter(pc.is_null(who)).select(["query"])])
        counted = searches.group_by("query").aggregate([([], "count_all")])
        counted = counted.filter(
            pc.and_(pc.greater_equal(counted["count_all"], LEAST), pc.not_equal(counted["query"], ""))
        )
        counted = counted.sort_by([("count_all", "descending"), ("query", "ascending")]).slice(0, _MOST)
        rows = sorted(zip(counted["query"].to_pylist(), counted["count_all"].to_pylist(), strict=True))
        return cls([query for query, _ in rows], [count for _, count in rows])

    def beginning(self, begins: str, most: int) -> list[tuple[str, int]]:
        """At most `most` queries that begin so, with their counts: the most frequent first, ties by the query."""
        start = normalize(begins).lstrip()
        first, last = bisect_left(self._queries, start), bisect_left(self._queries, start + _AFTER_ALL)
        best = first + np.argsort(-self._counts[first:last], kind="stable")[:most]
        return [(self._queries[at], int(self._counts[at])) for at in best.tolist()]


NO_QUERIES = PopularQueries()
