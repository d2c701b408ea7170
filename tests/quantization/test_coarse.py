"""Coarse clusters: assignment, ties, and independence of the batch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from alicorn.quantization import CoarseQuantizer, default_num_clusters, should_train
from alicorn.quantization.coarse import nearest


@pytest.fixture(scope="module")
def clustered() -> np.ndarray:
    rng = np.random.default_rng(3)
    centers = rng.normal(size=(12, 24))
    points = centers[rng.integers(12, size=2000)] + 0.2 * rng.normal(size=(2000, 24))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_centroids_are_unit_and_members_nearest(clustered: np.ndarray) -> None:
    coarse = CoarseQuantizer.fit(clustered, 12)
    assert np.allclose(np.linalg.norm(coarse.centroids, axis=1), 1.0, atol=1e-5)
    exact = (clustered.astype(np.float64) @ coarse.centroids.T.astype(np.float64)).argmax(axis=1)
    assert_array_equal(coarse.assign(clustered), exact)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1999), min_size=1, max_size=70))
def test_the_cluster_depends_on_the_vector_alone(rows: list[int]) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2000, 9)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    coarse = CoarseQuantizer(points[:300])
    assert_array_equal(coarse.assign(points[rows]), coarse.assign(points)[rows])


def test_a_tie_goes_to_the_smaller_number() -> None:
    coarse = CoarseQuantizer(np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32))
    diagonal = np.array([[np.sqrt(0.5), np.sqrt(0.5)], [1, 0]], dtype=np.float32)
    assert_array_equal(coarse.assign(diagonal), [0, 0])


def test_single_cluster_holds_everything() -> None:
    assert_array_equal(CoarseQuantizer.single(5).assign(np.eye(5, dtype=np.float32)), np.zeros(5))


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.integers(1, 40))
def test_nearest_is_a_sort_with_ties_by_number(values: list[int], nprobe: int) -> None:
    cosines = np.array(values, dtype=np.float32) / 3
    expected = sorted(range(len(values)), key=lambda number: (-values[number], number))[:nprobe]
    assert nearest(cosines, nprobe).tolist() == expected


def test_more_clusters_than_vectors_is_refused() -> None:
    with pytest.raises(ValueError, match=r"num_clusters must be in \[1, 3\] for 3 vectors, got 4"):
        CoarseQuantizer.fit(np.eye(3, dtype=np.float32), 4)


def test_same_seed_same_centroids(clustered: np.ndarray) -> None:
    assert_array_equal(
        CoarseQuantizer.fit(clustered, 8, seed=5).centroids, CoarseQuantizer.fit(clustered, 8, seed=5).centroids
    )


def test_defaults_follow_the_size() -> None:
    assert [default_num_clusters(n) for n in (1, 20_000, 1_000_000)] == [4, 512, 4096]
    assert not should_train(9_999, 0)
    assert should_train(10_000, 0)
    assert not should_train(39_999, 10_000)
    assert should_train(40_000, 10_000)
