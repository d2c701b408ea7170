"""Hits by several keys, and the hits after a cursor.

A key is an array of float64 for the documents of a segment, the smaller the earlier: a score with its sign changed, or
the ordinal of a column's value. Ordinals are of one segment; across segments the values themselves are ranked.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.index import Segment, Snapshot
from alicorn.language.order import ByColumn
from alicorn.query.order.cursor import Cursor, Ordering
from alicorn.query.order.ordinals import Plain, ordinals_of
from alicorn.query.order.permutation import Permutation
from alicorn.query.order.scores import scores_by
from alicorn.query.run import Execution
from alicorn.query.sets.ranked import Ranked


def arranged(
    evaluation: Execution,
    ordering: Ordering,
    numbers: Sequence[np.ndarray],
    limit: int,
    after: Cursor | None = None,
) -> Ranked:
    """The first `limit` of given documents, or of those after a cursor. numbers: ascending, of each segment."""
    views = evaluation.snapshot.segments
    keys = _keys(evaluation, ordering, numbers)
    kept = []
    for at, (view, part) in enumerate(zip(views, numbers, strict=True)):
        own = [key[at] for key in keys]
        rows = np.arange(len(part))
        if after is not None:
            rows = rows[_is_later(view.segment, part, own, _places(view.segment, ordering, after), after.doc_id)]
        kept.append(_first([*own, view.segment.id_order[part]], rows, limit))
    segments = np.repeat(np.arange(len(kept)), list(map(len, kept)))
    chosen = [part[rows] for part, rows in zip(numbers, kept, strict=True)]
    together = np.concatenate([np.empty(0, np.int64), *chosen]).astype(np.int64)
    joined = [np.concatenate([np.empty(0), *(key[at][rows] for at, rows in enumerate(kept))]) for key in keys]
    ids = _id_ranks(evaluation.snapshot, segments, together, chosen)
    common = [
        _across(evaluation.snapshot, ordering, key, chosen) if isinstance(key, ByColumn) and len(views) > 1 else one
        for key, one in zip(ordering.order, joined, strict=True)
    ]
    order = np.lexsort((ids, *reversed(common)))[:limit]
    scores = tuple(
        -one[order] for key, one in zip(ordering.order, joined, strict=True) if not isinstance(key, ByColumn)
    )
    return Ranked(segments[order], together[order], scores[0], scores)


def place_after(segment: Segment, ordering: Ordering, permutation: Permutation, after: Cursor) -> int:
    """The place of the first document after a cursor, in the permutation of an order by columns and static rank."""
    keys = [
        ordinals_of(segment, key.name, ordering.columns[key.name]).key(key.falling)
        for key in ordering.order
        if isinstance(key, ByColumn)
    ]
    wanted = _places(segment, ordering, after)

    def is_later(place: int) -> bool:
        number = int(permutation.numbers[place])
        own = (*(float(key[number]) for key in keys), -float(segment.static_rank[number]))
        return own > wanted or (own == wanted and segment.doc_ids[number].as_py() > after.doc_id)

    return bisect_left(range(segment.num_docs), True, key=is_later)


def later(snapshot: Snapshot, hits: Ranked, after: Cursor) -> Ranked:
    """Of hits in falling order of one score, ties by doc_id, those after a cursor."""
    falling, place = -hits.scores.astype(np.float64), -_score(after.values[0])
    low, high = int(np.searchsorted(falling, place, "left")), int(np.searchsorted(falling, place, "right"))

    def is_later(at: int) -> bool:
        segment = snapshot.segments[int(hits.segments[at])].segment
        return bool(segment.doc_ids[int(hits.numbers[at])].as_py() > after.doc_id)

    start = bisect_left(range(low, high), True, key=is_later) + low
    return Ranked(hits.segments[start:], hits.numbers[start:], hits.scores[start:])


def _keys(evaluation: Execution, ordering: Ordering, numbers: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """The keys of the order, each as the arrays of all segments."""
    views = evaluation.snapshot.segments
    keys = []
    for key in ordering.order:
        if isinstance(key, ByColumn):
            kind = ordering.columns[key.name]
            ordinals = [ordinals_of(view.segment, key.name, kind).key(key.falling) for view in views]
            keys.append([own[part].astype(np.float64) for own, part in zip(ordinals, numbers, strict=True)])
        else:
            keys.append([-scores for scores in scores_by(evaluation, ordering.prepared, key, numbers)])
    return keys


def _first(keys: Sequence[np.ndarray], rows: np.ndarray, limit: int) -> np.ndarray:
    """The first `limit` of the rows by the keys, in any order; the values of the last key are distinct."""
    for key in keys:
        if len(rows) <= limit or limit == 0:
            break
        own: np.ndarray = key[rows]
        bound = np.partition(own, limit - 1)[limit - 1]
        before = rows[own < bound]
        return np.concatenate([before, _first(keys[1:], rows[own == bound], limit - len(before))])
    return rows[:limit]


def _is_later(
    segment: Segment, numbers: np.ndarray, keys: Sequence[np.ndarray], places: tuple[float, ...], doc_id: str
) -> np.ndarray:
    """Which documents come after a cursor: (n,) bool."""
    is_later, is_tied = np.zeros(len(numbers), dtype=bool), np.ones(len(numbers), dtype=bool)
    for key, place in zip(keys, places, strict=True):
        is_later |= is_tied & (key > place)
        is_tied &= key == place
    tied = np.flatnonzero(is_tied)
    is_later[tied] = pc.greater(segment.doc_ids.take(pa.array(numbers[tied])), doc_id).to_numpy(zero_copy_only=False)
    return is_later


def _places(segment: Segment, ordering: Ordering, after: Cursor) -> tuple[float, ...]:
    """The keys of a cursor among those of a segment."""
    places = []
    for key, value in zip(ordering.order, after.values, strict=True):
        if isinstance(key, ByColumn):
            places.append(ordinals_of(segment, key.name, ordering.columns[key.name]).place(value, key.falling))
        else:
            places.append(-_score(value))
    return tuple(places)


def _score(value: Plain) -> float:
    assert isinstance(value, int | float), "Ordering.read lets nothing else in"
    return float(value)


def _across(snapshot: Snapshot, ordering: Ordering, key: ByColumn, numbers: Sequence[np.ndarray]) -> np.ndarray:
    """The key of a column for documents of several segments -> (n,), one segment after the other."""
    kind = ordering.columns[key.name]
    values, missing = [], []
    for view, part in zip(snapshot.segments, numbers, strict=True):
        ordinals = ordinals_of(view.segment, key.name, kind)
        own = ordinals.numbers[part]
        missing.append(own == len(ordinals.values))
        values.append(ordinals.values.take(pa.array(own[~missing[-1]])))
    together = pa.concat_arrays(values)
    if pa.types.is_float16(together.type):
        together = together.cast(pa.float32())
    is_null = np.concatenate(missing)
    places = np.full(len(is_null), np.inf)
    if not pa.types.is_null(together.type):
        direction = "descending" if key.falling else "ascending"
        places[~is_null] = pc.rank(together, sort_keys=direction, tiebreaker="dense")
    return places


def _id_ranks(snapshot: Snapshot, segments: np.ndarray, numbers: np.ndarray, parts: Sequence[np.ndarray]) -> np.ndarray:
    """Numbers that order the documents as their doc_ids do."""
    views = snapshot.segments
    ranks: np.ndarray = segments
    if len(views) == 1:
        ranks = views[0].segment.id_order[numbers]
    elif views:
        ids = [view.segment.doc_ids.take(pa.array(part)) for view, part in zip(views, parts, strict=True)]
        ranks = np.asarray(pc.rank(pa.concat_arrays(ids), tiebreaker="first"))
    return ranks
