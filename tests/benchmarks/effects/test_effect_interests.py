"""PinnerSage's ladder: what a day is compared with, the systems, and that nothing later can reach a day."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

LIKED = (3, 40, 41)


@pytest.fixture
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=(300, 6))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def day(history: list[int], liked: tuple[int, ...] = LIKED):
    from lab.movielens_days import Day

    return Day(7, np.array(history), np.arange(len(history), 0, -1.0), np.array(liked))


def test_a_day_is_compared_with_equal_shares_of_each_vector_without_the_history(vectors) -> None:
    from interests import SHOWN, measured

    one = day([0, 1, 2])
    asked = vectors[[10, 20]]
    shown: set[int] = set()
    for vector in asked:
        ranked = [row for row in np.argsort(-(vectors @ vector)).tolist() if row not in (0, 1, 2)]
        shown |= set(ranked[: SHOWN // 2])
    like = [any(vectors[wanted] @ vectors[row] >= 0.8 for row in shown) for wanted in LIKED]
    found = [wanted in shown for wanted in LIKED]
    assert measured(vectors, 0.8, one, asked) == (np.mean(like), np.mean(found))


def test_the_systems_ask_for_what_they_are_called(vectors) -> None:
    from interests import DRAWS, decay_average, k_means, last_item, sampled

    from alicorn.interests.clusters import ward

    one = day(list(range(30)))
    np.testing.assert_array_equal(last_item(vectors, one)[0], vectors[29:30])
    weights = np.exp(-0.01 * np.arange(30, 0, -1.0))
    np.testing.assert_allclose(decay_average(vectors, one)[0], (weights @ vectors[:30])[None])
    draws = sampled(vectors, one, partial(ward, threshold=1.5), count=3)
    assert len(draws) == DRAWS
    assert all(any(np.array_equal(point, row) for row in vectors[:30]) for draw in draws for point in draw)
    assert set(k_means(vectors[:30]).tolist()) <= set(range(5))


def test_vectors_and_histories_end_where_a_day_begins(tmp_path: Path) -> None:
    """What happens after the cut moves no vector; what happens on a day is in no history of it."""
    from lab.movielens_days import days

    rng = np.random.default_rng(1)
    count = 3000
    ratings = {
        "userId": rng.integers(0, 40, count),
        "movieId": rng.integers(0, 60, count),
        "rating": rng.choice([3.0, 4.0, 5.0], count),
        "timestamp": np.sort(rng.integers(0, 400 * 86_400, count)),
    }
    pq.write_table(pa.table(ratings), tmp_path / "ratings.parquet")
    found, vectors = days(tmp_path, None)
    assert len(found) > 100
    assert all((one.ages >= 1).all() and len(one.history) >= 10 and len(one.liked) for one in found)
    late = ratings["timestamp"] > 300 * 86_400
    ratings["movieId"][late] = rng.permutation(ratings["movieId"][late])
    pq.write_table(pa.table(ratings), tmp_path / "ratings.parquet")
    _, again = days(tmp_path, None)
    np.testing.assert_array_equal(vectors, again)
