"""What every coarse quantizer must do: assignment, ties, unit length, independence of the batch. IVF and IMI."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from alicorn.quantization import IMI, CoarseQuantizer
from alicorn.quantization.coarse.probing import nearest


@pytest.fixture(scope="module")
def clustered() -> np.ndarray:
    rng = np.random.default_rng(3)
    centers = rng.normal(size=(12, 24))
    points = centers[rng.integers(12, size=2000)] + 0.2 * rng.normal(size=(2000, 24))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


BOTH = pytest.mark.parametrize("kind", [CoarseQuantizer, IMI])


@BOTH
def test_centroids_are_unit_and_members_nearest(kind: type[CoarseQuantizer] | type[IMI], clustered: np.ndarray) -> None:
    coarse = kind.fit(clustered, 16)
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


@BOTH
def test_same_seed_same_centroids(kind: type[CoarseQuantizer] | type[IMI], clustered: np.ndarray) -> None:
    fits = [kind.fit(clustered, 9, seed=seed).centroids for seed in (5, 5, 6)]
    assert_allclose(fits[0], fits[1], atol=1e-5)  # Faiss adds in an order of its own
    assert (fits[0] != fits[2]).any()


@BOTH
def test_one_point_is_its_own_centroid(kind: type[CoarseQuantizer] | type[IMI], clustered: np.ndarray) -> None:
    coarse = kind.fit(clustered[:1], 1)
    assert np.allclose(coarse.centroids, clustered[:1], atol=1e-5)
    assert_array_equal(coarse.assign(clustered[:5]), np.zeros(5))
    assert_array_equal(coarse.assign(clustered[:0]), np.zeros(0))


@BOTH
def test_cosines_are_the_products_with_the_centroids(
    kind: type[CoarseQuantizer] | type[IMI], clustered: np.ndarray
) -> None:
    coarse = kind.fit(clustered, 16)
    for query in clustered[:20]:
        assert np.allclose(coarse.cosines(query), coarse.centroids @ query, atol=1e-6)


@BOTH
def test_arrays_round_trip(kind: type[CoarseQuantizer] | type[IMI], clustered: np.ndarray) -> None:
    coarse = kind.fit(clustered, 9)
    again = kind.from_arrays(coarse.to_arrays())
    assert_array_equal(again.centroids, coarse.centroids)
    assert_array_equal(again.assign(clustered[:99]), coarse.assign(clustered[:99]))
    assert len(coarse.assign(clustered[:0])) == 0


@pytest.mark.parametrize("dim", [4, 7, 24])
def test_imi_halves_an_odd_dimension_too(dim: int) -> None:
    points = np.random.default_rng(1).normal(size=(400, dim)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    coarse = IMI.fit(points, 25)
    assert coarse.centroids.shape == (25, dim)
    assert len(np.unique(coarse.assign(points))) > 12


def test_imi_bears_vectors_whose_half_is_zero() -> None:
    points = np.zeros((50, 8), dtype=np.float32)
    points[:, 0] = 1.0
    coarse = IMI.fit(points, 4)
    assert np.isfinite(coarse.centroids).all()
    assert np.allclose(coarse.centroids[coarse.assign(points)] @ points[0], 1.0, atol=1e-5)


def test_imi_takes_a_square_of_cells(clustered: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a square of at most 65536 cells, got 24 and 12"):
        IMI.fit(clustered, 12)


def test_imi_refuses_halves_without_a_direction() -> None:
    with pytest.raises(ValueError, match="imi needs 4 dimensions"):
        IMI.fit(np.eye(3, dtype=np.float32), 4)


def test_many_clusters_are_decided_like_few() -> None:
    """More clusters than one group of the compiled loop, and a number that no group divides."""
    rng = np.random.default_rng(4)
    points = rng.normal(size=(700, 10)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    centroids = np.vstack([points[:131], points[:70]])  # 70 twice: the smaller number wins
    exact = (points.astype(np.float64) @ centroids.T.astype(np.float64)).argmax(axis=1)
    assert_array_equal(CoarseQuantizer(centroids).assign(points), exact)
    assert CoarseQuantizer(centroids).assign(points[:70]).tolist() == list(range(70))
