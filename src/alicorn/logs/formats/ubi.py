"""OpenSearch's User Behavior Insights, schema 1.3.0 (o19s/ubi): records of queries and of events, to rows and back.

    query    query_id -> search_id, client_id -> searcher_id, user_query -> query, query_response_hit_ids -> shown;
             of query_attributes: session_id, experiment, arm and the other columns of `searches`; `positions` of the
             hits where they are not 1, 2, 3 ...
    event    query_id -> search_id, client_id -> searcher_id, action_name -> action (`impression` is `seen`),
             event_attributes.object.object_id -> doc_id, event_attributes.position.ordinal -> position; `event_id` and
             `value` of event_attributes
    both     timestamp: ISO 8601, or milliseconds since 1970

What has no column of its own is in `attributes`, as JSON, so that nothing of a record is lost.
"""

import datetime
import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from alicorn.iso_times import read_timestamp
from alicorn.logs.formats.rest import Record, given, joined, rest
from alicorn.reporting.json_text import to_json

_EPOCH = datetime.datetime(1970, 1, 1)
_TEXTS = ("session_id", "mode", "expression", "model", "ranker", "experiment", "arm")
_INTEGERS = ("snapshot", "total")
_ACTIONS = {"impression": "seen"}
_UBI_ACTIONS = {ours: theirs for theirs, ours in _ACTIONS.items()}

Row = dict[str, Any]


def is_event(record: Record) -> bool:
    """Or else a query."""
    return "action_name" in record


def search_of(record: Record) -> tuple[Row, list[Row]]:
    """A query as a row of searches and rows of shown. Raises ValueError that says what is wrong."""
    attributes = _object(record, "query_attributes")
    row = {
        "search_id": needed(record, "query_id"),
        "searcher_id": _text(record.get("client_id")),
        "time": time_of(record),
        "query": needed(record, "user_query"),
        **{name: _text(attributes.get(name)) for name in _TEXTS},
        **{name: _integer(attributes.get(name)) for name in _INTEGERS},
    }
    hits, positions = record.get("query_response_hit_ids"), attributes.get("positions")
    if not isinstance(hits, list) or not all(isinstance(one, str) for one in hits):
        hits = []
    if not isinstance(positions, list) or not _are_positions(positions, len(hits)):
        positions = list(range(1, len(hits) + 1))
    shown = [
        {"search_id": row["search_id"], "doc_id": doc_id, "position": position}
        for doc_id, position in zip(hits, positions, strict=True)
    ]
    row["attributes"] = _left(record, query_of(row, shown))
    return row, shown


def event_of(record: Record) -> Row:
    """An event as a row of events. Raises ValueError that says what is wrong."""
    attributes = _object(record, "event_attributes")
    action = needed(record, "action_name")
    value = attributes.get("value")
    row = {
        "event_id": _text(attributes.get("event_id")),
        "time": time_of(record),
        "search_id": _text(record.get("query_id")),
        "session_id": _text(record.get("session_id")),
        "searcher_id": _text(record.get("client_id")),
        "doc_id": _text(_object(attributes, "object").get("object_id")),
        "action": _ACTIONS.get(action, action),
        "value": value if isinstance(value, float) else None,
        "position": _integer(_object(attributes, "position").get("ordinal")),
    }
    row["attributes"] = _left(record, record_of(row))
    return row


def query_of(row: Mapping[str, Any], shown: Sequence[Mapping[str, Any]]) -> Record:
    """A row of searches with its rows of shown, in order, as a query.

    Further columns are query_attributes, but for what a ranker read.
    """
    positions = [one["position"] for one in shown]
    own = {"search_id", "searcher_id", "time", "query", "attributes", "known", "vectors"}
    attributes = given(
        **{name: _json(value) for name, value in row.items() if name not in own},
        positions=None if positions == list(range(1, len(positions) + 1)) else positions,
    )
    said = given(
        query_id=row["search_id"],
        client_id=row["searcher_id"],
        user_query=row["query"],
        timestamp=_iso(row["time"]),
        query_attributes=attributes,
        query_response_hit_ids=[one["doc_id"] for one in shown] or None,
    )
    return joined(said, json.loads(row.get("attributes") or "{}"))


def record_of(row: Mapping[str, Any]) -> Record:
    """A row of events as an event."""
    attributes = given(
        object=given(object_id=row["doc_id"]),
        position=given(ordinal=row.get("position")),
        event_id=row.get("event_id"),
        value=_json(row.get("value")),
    )
    said = given(
        action_name=_UBI_ACTIONS.get(row["action"], row["action"]),
        query_id=row["search_id"],
        session_id=row.get("session_id"),
        client_id=row["searcher_id"],
        timestamp=_iso(row["time"]),
        event_attributes=attributes,
    )
    return joined(said, json.loads(row.get("attributes") or "{}"))


def _left(record: Record, said: Record) -> str | None:
    more = rest(record, said)
    return json.dumps(more, ensure_ascii=False, allow_nan=False) if more else None


def needed(record: Record, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, got {to_json(value)[:60]}")
    return value


def _object(record: Record, name: str) -> Record:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: Any) -> int | None:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and -(1 << 31) <= value < 1 << 31 else None


def _are_positions(values: list[Any], count: int) -> bool:
    """Whether they are rising numbers, as many as hits."""
    if len(values) != count or any(_integer(one) is None for one in values):
        return False
    return all(first < second for first, second in pairwise(values))


def time_of(record: Record) -> datetime.datetime:
    """UTC, without a zone."""
    value = record.get("timestamp")
    try:
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, str):
            return _EPOCH + datetime.timedelta(microseconds=read_timestamp(value, "us"))
        if isinstance(value, int) and not isinstance(value, bool):
            return _EPOCH + datetime.timedelta(milliseconds=value)
    except (ValueError, OverflowError):
        pass
    wanted = "ISO 8601 to the microsecond, or milliseconds since 1970"
    raise ValueError(f"timestamp must be {wanted}, got {to_json(value)[:60]}")


def _iso(time: datetime.datetime) -> str:
    whole = "milliseconds" if time.microsecond % 1000 == 0 else "microseconds"
    return time.isoformat(timespec=whole) + "Z"


def _json(value: Any) -> Any:
    """JSON has no number for NaN and infinities: they are left out."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _iso(value) if isinstance(value, datetime.datetime) else value
