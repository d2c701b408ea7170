"""A search that was served and an event that was reported, and the log tables that they become.

    searches    search_id, session_id, searcher_id, time, query, the columns of the vertical's request.context, mode,
                expression, without_nn: the rule of the selection by which it has no nn; intents: terms that the
                query asks for, candidates: documents that nn found and these let pass; model, ranker, snapshot,
                experiment, arm, total, degraded: the notices of the answer;
                known, vectors: what the ranker read of the request
    shown       search_id, doc_id, position from 1, rank: the position before exploration, probability: of being shown
                at this position, segment: checksum of the one that held the document, null in memory; channels: that
                found it; scores: stage -> score; features: what the ranker read, feature_set: the fingerprint of their
                definitions
    events      event_id, time, search_id, session_id, searcher_id, doc_id, action, value, position

Times are timestamp[us], UTC. The ranker of a search is described in `rankers/<fingerprint>.yaml` of the log.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
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
        ("without_nn", pa.string()),
        ("intents", pa.list_(pa.string())),
        ("candidates", pa.int64()),
        ("model", pa.string()),
        ("ranker", pa.string()),
        ("snapshot", pa.int64()),
        ("experiment", pa.string()),
        ("arm", pa.string()),
        ("total", pa.int64()),
        ("degraded", pa.list_(pa.string())),
        ("known", pa.string()),
        ("vectors", pa.map_(pa.string(), pa.list_(pa.float32()))),
    ]
)
SHOWN = pa.schema(
    [
        pa.field("search_id", pa.string(), nullable=False),
        pa.field("doc_id", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),
        ("rank", pa.int32()),
        ("probability", pa.float64()),
        ("segment", pa.string()),
        ("channels", pa.list_(pa.string())),
        ("scores", pa.map_(pa.string(), pa.float64())),
        ("features", pa.list_(pa.float64())),
        ("feature_set", pa.string()),
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
    """One search and what it showed. time: microseconds since 1970, UTC.

    context: JSON values by column. without_nn: the rule by which the expression has no nn. intents: terms
    of the control; candidates: documents that nn found and they let pass. model: fingerprint of the
    one that encoded the text; ranker: of the one that ordered the hits, feature_set: of its features. snapshot: of the
    collection. total: documents that matched.
    known: what the ranker read of searcher and context, as JSON. vectors: key -> those of the request, packed float32.
    shown: the doc_id of each hit, in order; first_position: of the first of them. ranks, probabilities: where
    neighbours were swapped. scores: stage -> the score of each hit. features: packed float64, hit after hit.
    """

    search_id: str
    time: int
    query: str
    searcher_id: str | None = None
    session_id: str | None = None
    mode: str | None = None
    expression: str | None = None
    without_nn: str | None = None
    intents: Sequence[str] | None = None
    candidates: int | None = None
    model: str | None = None
    ranker: str | None = None
    snapshot: int | None = None
    experiment: str | None = None
    arm: str | None = None
    total: int | None = None
    degraded: Sequence[str] | None = None
    known: str | None = None
    vectors: Mapping[str, str] | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    shown: Sequence[str] = ()
    first_position: int = 1
    ranks: Sequence[int] | None = None
    probabilities: Sequence[float] | None = None
    segments: Sequence[str | None] | None = None
    channels: Sequence[Sequence[str]] | None = None
    scores: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    features: str | None = None
    feature_set: str | None = None

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


def packed(numbers: np.ndarray) -> str:
    """The bits of an array, as a text that JSON takes: writing decimals would cost a request more than ranking."""
    return base64.b64encode(numbers.tobytes()).decode()


def log_tables(
    searches: Sequence[ServedSearch], events: Sequence[ServedEvent], context: Mapping[str, pa.DataType]
) -> dict[str, pa.Table]:
    """The tables that have rows, `searches` last. context: the columns of the context of a search."""
    vectors = [None if one.vectors is None else _unpacked_vectors(one.vectors) for one in searches]
    asked = _table(searches, SEARCHES, vectors=vectors)
    for name, kind in context.items():
        values = [search.context.get(name) for search in searches]
        asked = asked.append_column(name, array_of_json(values, kind, "searches", name))
    tables = {"shown": _shown(searches), "events": _table(events, EVENTS), "searches": asked}
    return {name: table for name, table in tables.items() if len(table)}


def _table(
    rows: Sequence[ServedSearch] | Sequence[ServedEvent], schema: pa.Schema, **made: Sequence[object]
) -> pa.Table:
    """made: columns that are not as the rows have them."""
    columns = {
        name: pa.array(made[name] if name in made else [getattr(row, name) for row in rows], schema.field(name).type)
        for name in schema.names
    }
    return pa.table(columns, schema=schema)


def _unpacked_vectors(vectors: Mapping[str, str]) -> list[tuple[str, np.ndarray]]:
    return [(key, np.frombuffer(base64.b64decode(one), dtype=np.float32)) for key, one in vectors.items()]


def _shown(searches: Sequence[ServedSearch]) -> pa.Table:
    columns: dict[str, list[object]] = {name: [] for name in SHOWN.names}
    for search in searches:
        count = len(search.shown)
        positions = range(search.first_position, search.first_position + count)
        columns["search_id"] += [search.search_id] * count
        columns["doc_id"] += search.shown
        columns["position"] += positions
        columns["rank"] += search.ranks or positions
        columns["probability"] += search.probabilities or [1.0] * count
        columns["segment"] += search.segments or [None] * count
        columns["channels"] += search.channels or [None] * count
        columns["scores"] += _scores(search)
        columns["features"] += _features(search)
        columns["feature_set"] += [search.feature_set] * count
    arrays = {name: pa.array(values, SHOWN.field(name).type) for name, values in columns.items()}
    return pa.table(arrays, schema=SHOWN)


def _scores(search: ServedSearch) -> list[list[tuple[str, float]]]:
    """Of each hit, the stages that scored it."""
    stages = search.scores.items()
    return [
        [(stage, score) for stage, scores in stages if (score := scores[at]) is not None]
        for at in range(len(search.shown))
    ]


def _features(search: ServedSearch) -> list[object]:
    if search.features is None or not search.shown:
        return [None] * len(search.shown)
    return list(np.frombuffer(base64.b64decode(search.features)).reshape(len(search.shown), -1))
