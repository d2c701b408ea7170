"""Metarank's events (doc/event-schema.md of metarank/metarank): rankings and interactions, to rows.

    ranking        id -> search_id, user -> searcher_id, session -> session_id, the field `query` -> query,
                   items -> shown, in their order
    interaction    id -> event_id, ranking -> search_id, type -> action, item -> doc_id

timestamp: milliseconds since 1970, or ISO 8601. Events of items and users are of other tables, and counted.
"""

import datetime
from typing import Any

from alicorn.logs.formats.rest import Record
from alicorn.logs.formats.ubi import Row, needed, time_of


def is_read(record: Record) -> bool:
    """Whether it is of searches or events. Raises ValueError for no event of Metarank."""
    kind = record.get("event")
    if kind not in ("ranking", "interaction", "item", "user"):
        raise ValueError(f"event must be ranking, interaction, item or user, got {str(kind)[:60]!r}")
    return kind in ("ranking", "interaction")


def is_interaction(record: Record) -> bool:
    """Or else a ranking."""
    return bool(record["event"] == "interaction")


def ranking_of(record: Record) -> tuple[Row, list[Row]]:
    """A row of searches, and rows of shown. Raises ValueError that says what is wrong."""
    query = next((_text(one, "value") for one in _objects(record, "fields") if one.get("name") == "query"), None)
    row = {"search_id": needed(record, "id"), "query": query or "", **_who_and_when(record)}
    items = [needed(one, "id") for one in _objects(record, "items")]
    return row, [
        {"search_id": row["search_id"], "doc_id": doc_id, "position": position}
        for position, doc_id in enumerate(items, start=1)
    ]


def interaction_of(record: Record) -> Row:
    """A row of events. Raises ValueError that says what is wrong."""
    return {
        "event_id": needed(record, "id"),
        "search_id": _text(record, "ranking"),
        "doc_id": needed(record, "item"),
        "action": needed(record, "type"),
        **_who_and_when(record),
    }


def _who_and_when(record: Record) -> dict[str, str | datetime.datetime | None]:
    return {
        "time": time_of(record),
        "searcher_id": _text(record, "user"),
        "session_id": _text(record, "session"),
    }


def _text(record: Record, name: str) -> str | None:
    value = record.get(name)
    return value if isinstance(value, str) else None


def _objects(record: Record, name: str) -> list[dict[str, Any]]:
    value = record.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
