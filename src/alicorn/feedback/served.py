"""A search that was served and an event that was reported, and the log tables that they become.

    searches    search_id, session_id, searcher_id, time, query, the columns of the vertical's request.context, mode,
                expression, model, snapshot, total
    shown       search_id, doc_id, position from 1, scores: map of a stage to its score
    events      event_id, time, search_id, session_id, searcher_id, doc_id, action, value, position

Times are timestamp[us], UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from alicorn.tables import array_of_json

TIME = pa.timestamp("us")
SEARCHES = pa.schema(
    [
        pa.field("search_id", pa.string(), nullable=False),
        ("session_id", pa.string()),
        ("searcher_id", pa.string()),
        pa.field("time", TIME, nullable=False),
        pa.field("query", pa.string(), nullable=False),
        ("mode", pa.string()),
        ("expression", pa.string()),
        ("model", pa.string()),
        ("snapshot", pa.int64()),
        ("total", pa.int64()),
    ]
)
SHOWN = pa.schema(
    [
        pa.field("search_id", pa.string(), nullable=False),
        pa.field("doc_id", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),
        ("scores", pa.map_(pa.string(), pa.float64())),
    ]
)
EVENTS = pa.schema(
    [
        ("event_id", pa.string()),
        pa.field("time", TIME, nullable=False),
        ("search_id", pa.string()),
        ("session_id", pa.string()),
        ("searcher_id", pa.string()),
        ("doc_id", pa.string()),
        pa.field("action", pa.string(), nullable=False),
        ("value", pa.float64()),
        ("position", pa.int32()),
    ]
)


@dataclass(frozen=True)
class ServedSearch:
    """One search and what it showed, in order. time: microseconds since 1970, UTC.

    context: JSON values by column. shown: doc_id, and the score by stage; first_position: of the first of them.
    model: fingerprint of the one that encoded the text. snapshot: of the collection. total: documents that matched.
    """

    search_id: str
    time: int
    query: str
    searcher_id: str | None = None
    session_id: str | None = None
    mode: str | None = None
    expression: str | None = None
    model: str | None = None
    snapshot: int | None = None
    total: int | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    shown: Sequence[tuple[str, Mapping[str, float]]] = ()
    first_position: int = 1

    @property
    def num_rows(self) -> int:
        """Rows of searches and shown."""
        return 1 + len(self.shown)


@dataclass(frozen=True)
class ServedEvent:
    """Something that a searcher did, as whoever reported it says. time: microseconds since 1970, UTC."""

    action: str
    time: int
    event_id: str | None = None
    search_id: str | None = None
    session_id: str | None = None
    searcher_id: str | None = None
    doc_id: str | None = None
    value: float | None = None
    position: int | None = None


def log_tables(
    searches: Sequence[ServedSearch], events: Sequence[ServedEvent], context: Mapping[str, pa.DataType]
) -> dict[str, pa.Table]:
    """The tables that have rows, `searches` last. context: the columns of the context of a search."""
    asked = _table(searches, SEARCHES)
    for name, kind in context.items():
        values = [search.context.get(name) for search in searches]
        asked = asked.append_column(name, array_of_json(values, kind, "searches", name))
    tables = {"shown": _shown(searches), "events": _table(events, EVENTS), "searches": asked}
    return {name: table for name, table in tables.items() if len(table)}


def _table(rows: Sequence[ServedSearch] | Sequence[ServedEvent], schema: pa.Schema) -> pa.Table:
    columns = {name: pa.array([getattr(row, name) for row in rows], schema.field(name).type) for name in schema.names}
    return pa.table(columns, schema=schema)


def _shown(searches: Sequence[ServedSearch]) -> pa.Table:
    rows = [
        (search.search_id, doc_id, position, list(scores.items()))
        for search in searches
        for position, (doc_id, scores) in enumerate(search.shown, start=search.first_position)
    ]
    columns = [pa.array([row[at] for row in rows], kind) for at, kind in enumerate(SHOWN.types)]
    return pa.table(columns, schema=SHOWN)
