"""Histories of searchers -> a table of their interests (a batch, daily in the paper), and back: interests -> vectors.

    interests.parquet: searcher_id string; doc_ids list<string>, the medoids, the most important first; importance
    list<float64>, sizes list<int64> and radii list<float64> (cosine distance), parallel to them; metadata `key`: of the
    embedding they are interests in

Only the medoids' ids are kept: their vectors are read from the collection when the searcher asks, so that documents
published anew, or gone since, count as they are.
"""

import datetime
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import AlicornError, TableError
from alicorn.index import Snapshot
from alicorn.interests.clusters import PinnerSage, drawn, interests
from alicorn.interests.regions import Held, Reach, held_out, learned_reach, radii, spreads
from alicorn.language.templates import interest_names
from alicorn.query.any_collection import AnyCollection
from alicorn.retrieval.regions import key_of, stored_vectors
from alicorn.tables.times import refuse_times
from alicorn.vertical.columns import Column, ColumnType, read_as, refuse_rows

_ACTIVITY = (
    Column("searcher_id", ColumnType.STRING, "interests: who acted"),
    Column("time", ColumnType.TIME, "interests: when"),
    Column("doc_id", ColumnType.STRING, "interests: on which document"),
)
_DAY = datetime.timedelta(days=1)
_HELD_OUT = 1000  # searchers whose last choice says how far interests reach


class SearcherInterests(NamedTuple):
    """table: as above, by searcher_id. without_vector: rows of the activity whose document the collection has not."""

    table: pa.Table
    without_vector: int


def searcher_interests(
    activity: pa.Table, snapshot: Snapshot, key: str, settings: PinnerSage, now: datetime.datetime | None = None
) -> SearcherInterests:
    """The interests of every searcher with a document left.

    activity: searcher_id, time, doc_id, as in the log folder. now: what ages count from, with its zone; the time of the
    last row unless given. Rows after it are not read. Raises TableError.
    """
    activity = read_as(activity, _ACTIVITY, "activity").select([column.name for column in _ACTIVITY])
    for name in activity.column_names:
        refuse_rows(activity[name].is_null(), "activity", name, "a value is null")
    for chunk in activity["time"].chunks:
        refuse_times(chunk, "activity", "time")
    times = activity["time"].cast(pa.timestamp("us", "UTC"), safe=False)  # ages are of days: to the microsecond
    now = now or pc.max(times).as_py()
    activity = activity.set_column(1, "time", times)
    if now is not None:
        activity = activity.filter(pc.less_equal(times, pa.scalar(now, pa.timestamp("us", "UTC"))))
    activity = activity.sort_by([("searcher_id", "ascending"), ("time", "ascending"), ("doc_id", "ascending")])
    ids = activity["doc_id"].to_pylist()
    known, vectors = stored_vectors(snapshot, key, ids)
    ages = np.array([(now - time) / _DAY for time in activity["time"].to_pylist()]) if now else np.empty(0)
    searchers = activity["searcher_id"].to_pylist()
    starts = [at for at in range(len(ids)) if at == 0 or searchers[at] != searchers[at - 1]]
    histories = {}
    for start, stop in zip(starts, [*starts[1:], len(ids)], strict=True):
        own = np.arange(start, stop)[known[start:stop]][-settings.newest :]
        if len(own):
            histories[searchers[start]] = own
    reach = learned_reach(_held_out(list(histories.values()), vectors, ages, settings), settings.cover)
    rows = [_row(of, own, ids, vectors[own], ages[own], settings, reach) for of, own in histories.items()]
    table = pa.Table.from_pylist(rows, schema=SCHEMA).replace_schema_metadata({"key": key})
    return SearcherInterests(table, int((~known).sum()))


SCHEMA = pa.schema(
    [
        ("searcher_id", pa.string()),
        ("doc_ids", pa.list_(pa.string())),
        ("importance", pa.list_(pa.float64())),
        ("sizes", pa.list_(pa.int64())),
        ("radii", pa.list_(pa.float64())),
    ]
)


class Region(NamedTuple):
    """vector: float32 (dim,), of the medoid, as it is stored. radius: cosine distance, in (0, 2]."""

    vector: np.ndarray
    radius: float


def interest_regions(
    table: pa.Table, searcher_id: str, collection: AnyCollection, count: int, rng: np.random.Generator
) -> dict[str, Region]:
    """`interest-1` and on -> a medoid with its radius; `count` of them drawn by importance.

    Medoids that the collection has no longer are left out. Raises AlicornError where none is left, TableError where the
    table is not of an embedding of the collection.
    """
    key = key_of(table)
    if key not in collection.embeddings:
        there = ", ".join(sorted(collection.embeddings)) or "none"
        raise TableError(f"table interests: it is of {key!r}, the collection has: {there}", table="interests")
    row = pc.index(table["searcher_id"], searcher_id).as_py()
    if row < 0:
        raise AlicornError(f"searcher {searcher_id[:100]!r} is not in the table of interests")
    doc_ids = table["doc_ids"][row].as_py()
    known, vectors = stored_vectors(collection.holding(doc_ids), key, doc_ids)
    if not known.any():
        raise AlicornError(f"the collection has no vector {key!r} of what searcher {searcher_id[:100]!r} chose")
    importance = _numbers(table, row, "importance", len(known), lambda given: given >= 0)
    radii = _numbers(table, row, "radii", len(known), lambda given: (given > 0) & (given <= 2))
    kept = np.flatnonzero(known)[drawn(importance[known], count, rng)]
    regions = [Region(vectors[at], float(radii[at])) for at in kept]
    return dict(zip(interest_names(len(regions)), regions, strict=True))


def _numbers(
    table: pa.Table, row: int, column: str, count: int, is_right: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    given = np.array(table[column][row].as_py() or [], dtype=np.float64)
    if len(given) != count or not (np.isfinite(given) & is_right(given)).all():
        allowed = {"importance": "from 0", "radii": "in (0, 2]"}[column]
        message = (
            f"table interests, column '{column}', row {row}: it has a finite number {allowed} for each of doc_ids; run"
            " `alicorn interests` again"
        )
        raise TableError(message, table="interests", column=column, row=row)
    return given


def _held_out(
    histories: Sequence[np.ndarray], vectors: np.ndarray, ages: np.ndarray, settings: PinnerSage
) -> list[Held]:
    """Of at most so many searchers, evenly spread, the last choice beside the interests of those before it."""
    longer = [own for own in histories if len(own) > 1]
    some = [longer[at * len(longer) // _HELD_OUT] for at in range(_HELD_OUT)] if len(longer) > _HELD_OUT else longer
    return [held_out(vectors[own], interests(vectors[own[:-1]], ages[own[:-1]], settings)) for own in some]


def _row(
    searcher_id: str,
    own: np.ndarray,
    ids: Sequence[str],
    vectors: np.ndarray,
    ages: np.ndarray,
    settings: PinnerSage,
    reach: Reach,
) -> dict[str, object]:
    """own: rows of ids. vectors, ages: of these."""
    found = interests(vectors, ages, settings)
    sizes = np.bincount(found.clusters)
    return {
        "searcher_id": searcher_id,
        "doc_ids": [ids[own[at]] for at in found.medoids],
        "importance": found.importance.tolist(),
        "sizes": sizes.tolist(),
        "radii": radii(spreads(vectors, found), sizes, reach).tolist(),
    }
