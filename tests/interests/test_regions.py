"""A concentrated interest has a small radius, a wide one a great one, and radii hold the share that is asked for."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

from alicorn.interests import PinnerSage, searcher_interests
from alicorn.interests.clusters import interests
from alicorn.interests.regions import Reach, held_out, learned_reach, radii, spreads
from alicorn.query import Collection


def around(rng: np.random.Generator, axis: int, noise: float, count: int) -> np.ndarray:
    """Unit vectors (count, 8) near an axis."""
    vectors = rng.normal(scale=noise, size=(count, 8))
    vectors[:, axis] += 1.0
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_spreads_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    own = np.concatenate([around(rng, 0, 0.02, 6), around(rng, 1, 0.2, 5), around(rng, 2, 0.1, 1)])
    found = interests(own, np.arange(12.0), PinnerSage(threshold=1.2))
    assert len(found) == 3
    of_each = spreads(own, found)
    for at, medoid in enumerate(found.medoids):
        others = [row for row in np.flatnonzero(found.clusters == at) if row != medoid]
        expected = np.mean([1.0 - own[row] @ own[medoid] for row in others]) if others else 0.0
        assert of_each[at] == pytest.approx(expected)
    narrow, wide, alone = (int(found.clusters[row]) for row in (0, 6, 11))
    radius = radii(of_each, np.bincount(found.clusters), Reach(common=0.05, reach=2.0))
    assert radius[narrow] < radius[alone] == pytest.approx(0.1)
    assert radius[alone] < radius[wide]


def test_the_reach_holds_the_share_of_next_choices_that_is_asked_for() -> None:
    rng = np.random.default_rng(1)
    held = []
    for _ in range(200):
        own = np.concatenate(
            [around(rng, axis, 0.15, 5) for axis in (0, 1)] + [around(rng, int(rng.integers(2)), 0.15, 1)]
        )
        held.append(held_out(own, interests(own[:-1], np.ones(10), PinnerSage(threshold=1.5))))
    for cover in (0.3, 0.8):
        reach = learned_reach(held, cover)
        inside = [(one.distances <= radii(one.spreads, one.sizes, reach)).any() for one in held]
        assert np.mean(inside) == pytest.approx(cover, abs=0.01)


def test_where_nothing_is_known_of_widths_everything_is_in_reach() -> None:
    assert radii(np.zeros(1), np.ones(1), learned_reach([], 0.5)).tolist() == [2.0]


def test_regions_are_written_and_answered_by_the_engine(tmp_path) -> None:
    rng = np.random.default_rng(2)
    vectors = np.concatenate([around(rng, 0, 0.02, 30), around(rng, 1, 0.3, 30)])
    ids = [f"d{row}" for row in range(60)]
    chosen = [*range(6), *range(30, 36)]
    times = pa.array([datetime.datetime(2026, 1, 1 + at) for at in range(12)], pa.timestamp("us"))
    log = pa.table({"searcher_id": ["u"] * 12, "time": times, "doc_id": [ids[row] for row in chosen]})
    with Collection.create(tmp_path / "c", {"a": 8}) as collection:
        collection.upsert(pa.table({"doc_id": ids, "embedding:a": vectors.astype(np.float32).tolist()}))
        found = searcher_interests(log, collection.snapshot(), "a", PinnerSage(threshold=2.0)).table
        row = found.to_pylist()[0]
        medoids = {doc_id: vectors[ids.index(doc_id)] for doc_id in row["doc_ids"]}
        pairs = list(zip(row["doc_ids"], row["radii"], strict=True))
        operands = [f"(nn a :radius {radius} :vector {doc_id})" for doc_id, radius in pairs]
        hits = collection.search(f"(or {' '.join(operands)})", medoids, limit=100)
    (tight, near), (wide, far) = sorted(pairs, key=lambda pair: ids.index(pair[0]))
    assert ids.index(tight) < 30 <= ids.index(wide)
    assert near < far
    is_inside = [any(1 - vector @ medoids[one] <= radius for one, radius in pairs) for vector in vectors]
    assert set(hits.ids) == {doc_id for doc_id, inside in zip(ids, is_inside, strict=True) if inside}
