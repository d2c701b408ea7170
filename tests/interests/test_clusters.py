"""Interests of a history: Ward as Lance and Williams define it, medoids, importance, drawing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.errors import VectorError
from alicorn.interests import PinnerSage, drawn, interests
from alicorn.interests.clusters import medoid, summary, ward


def lance_williams(vectors: np.ndarray, threshold: float) -> list[set[int]]:
    """Ward as PinnerSage has it, on squared distances, a pair at a time."""
    clusters = {i: {i} for i in range(len(vectors))}
    apart = {(i, j): float(np.square(vectors[i] - vectors[j]).sum()) for i in range(len(vectors)) for j in range(i)}
    while apart:
        (i, j), least = min(apart.items(), key=lambda item: item[1])
        if np.sqrt(least) > threshold:
            break
        for k in set(clusters) - {i, j}:
            to_i, to_j = (apart.pop((max(k, one), min(k, one))) for one in (i, j))
            n_i, n_j, n_k = (len(clusters[one]) for one in (i, j, k))
            merged = ((n_i + n_k) * to_i + (n_j + n_k) * to_j - n_k * least) / (n_i + n_j + n_k)
            apart[max(k, i), min(k, i)] = merged
        del apart[i, j]
        clusters[i] |= clusters.pop(j)
    return sorted(clusters.values(), key=min)


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@given(st.integers(0, 10_000), st.integers(1, 20), st.floats(0.0, 3.0))
@settings(max_examples=60, deadline=None)
def test_clusters_are_those_of_lance_and_williams(seed: int, count: int, threshold: float) -> None:
    vectors = unit(np.random.default_rng(seed), count, 4)
    labels = ward(vectors, threshold)
    found = sorted((set(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())), key=min)
    assert found == lance_williams(vectors, threshold)


def test_the_threshold_lets_the_number_of_interests_follow_the_history() -> None:
    rng = np.random.default_rng(0)
    topics = np.eye(8)
    one = unit(rng, 12, 8) * 0.1 + topics[np.zeros(12, dtype=int)]
    many = unit(rng, 12, 8) * 0.1 + topics[np.arange(12) % 4]
    assert [len(interests(h, np.zeros(12), PinnerSage(threshold=1.0))) for h in (one, many)] == [1, 4]
    assert len(interests(many, np.zeros(12), PinnerSage(threshold=0.0))) == 12
    assert len(interests(many[:0], np.zeros(0), PinnerSage())) == 0
    assert interests(many[:1], np.zeros(1), PinnerSage()).medoids.tolist() == [0]


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_medoid_has_the_least_sum_of_squared_distances(seed: int) -> None:
    vectors = unit(np.random.default_rng(seed), 9, 3)
    members = np.array([1, 2, 4, 7, 8])
    sums = [sum(np.square(vectors[m] - vectors[j]).sum() for j in members) for m in members]
    assert medoid(vectors, members) == members[int(np.argmin(sums))]


def test_importance_fades_with_age_and_orders_the_interests() -> None:
    vectors = np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 2)
    ages = np.array([100.0, 100.0, 100.0, 0.0, 0.0])
    by_count = interests(vectors, ages, PinnerSage(threshold=0.5, decay=0.0))
    assert (by_count.medoids.tolist(), by_count.importance.tolist()) == ([0, 3], [3.0, 2.0])
    recent = interests(vectors, ages, PinnerSage(threshold=0.5, decay=0.01))
    assert recent.medoids.tolist() == [3, 0]
    assert recent.importance == pytest.approx([2.0, 3 * np.exp(-1.0)])
    assert recent.clusters.tolist() == [1, 1, 1, 0, 0]


def test_interests_are_drawn_in_proportion_to_their_importance() -> None:
    rng = np.random.default_rng(0)
    firsts = np.array([drawn(np.array([6.0, 3.0, 1.0]), 1, rng)[0] for _ in range(4000)])
    assert np.bincount(firsts) / 4000 == pytest.approx([0.6, 0.3, 0.1], abs=0.03)
    assert drawn(np.array([2.0, 1.0]), 3, rng).tolist() == [0, 1]
    three = drawn(np.ones(10), 3, rng)
    assert len(set(three.tolist())) == 3
    assert (
        drawn(np.ones(10), 3, np.random.default_rng(7)).tolist()
        == drawn(np.ones(10), 3, np.random.default_rng(7)).tolist()
    )


def test_ties_of_importance_go_to_the_earlier_medoid() -> None:
    found = summary(np.eye(3), np.array([2, 0, 1]), np.ones(3))
    assert found.medoids.tolist() == [0, 1, 2]
    assert found.clusters.tolist() == [0, 1, 2]


def test_interests_that_have_faded_to_nothing_are_drawn_last() -> None:
    """exp(-decay age) is zero after some 745 / decay days."""
    rng = np.random.default_rng(0)
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    faded = interests(vectors, np.array([5000.0, 5000.0, 5000.0]), PinnerSage(threshold=0.5, decay=1.0))
    assert faded.importance.tolist() == [0.0, 0.0, 0.0]
    assert drawn(faded.importance, 2, rng).tolist() == [0, 1]
    assert {tuple(drawn(np.array([1.0, 1e-9, 0.0, 0.0]), 2, rng)) for _ in range(50)} == {(0, 1)}
    assert {drawn(np.array([1.0, 1.0, 0.0]), 1, rng)[0] for _ in range(50)} == {0, 1}


def test_vectors_without_a_length_are_one_interest() -> None:
    found = interests(np.zeros((3, 4)), np.zeros(3), PinnerSage())
    assert (found.medoids.tolist(), found.importance.tolist()) == ([0], [3.0])


@pytest.mark.parametrize(
    ("vector", "age", "problem"),
    [
        ([np.nan, 1.0], 0.0, "vector has NaN or infinity"),
        ([np.inf, 1.0], 0.0, "vector has NaN or infinity"),
        ([0.0, 1.0], np.nan, "age is not finite, or below 0 days"),
        ([0.0, 1.0], -1e6, "age is not finite, or below 0 days"),
    ],
)
def test_what_has_no_place_or_no_age_is_named(vector: list[float], age: float, problem: str) -> None:
    with pytest.raises(VectorError, match=rf"document 1 of a history .*: its {problem}; leave it out"):
        interests(np.array([[1.0, 0.0], vector]), np.array([0.0, age]), PinnerSage())


def test_equal_vectors_are_one_interest_and_the_largest_decay_leaves_only_today() -> None:
    found = interests(np.tile([0.6, 0.8], (4, 1)), np.array([0.0, 1.0, 1e300, 2.0]), PinnerSage(decay=1e300))
    assert (found.medoids.tolist(), found.importance.tolist()) == ([0], [1.0])


def test_importance_near_the_largest_double_is_drawn_in_proportion() -> None:
    rng = np.random.default_rng(0)
    assert {drawn(np.array([1e308, 1e308, 1e308]), 1, rng)[0] for _ in range(50)} == {0, 1, 2}


def test_as_many_documents_as_dimensions_may_look_like_a_matrix_of_distances() -> None:
    """Symmetric, without negative numbers, zero on the diagonal: SciPy takes such vectors for something else."""
    found = interests(np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros(2), PinnerSage(threshold=1.0))
    assert found.medoids.tolist() == [0, 1]
