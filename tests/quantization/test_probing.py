"""The nearest clusters are those of comparing all exact cosines, in that order, also where they tie. Of probing.py."""

import numba
import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from alicorn.quantization.coarse.probing import CentroidCodes, _largest, centroid_cosines, falling, nearest, nearest_of
from alicorn.quantization.kernels.intrinsics import address


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)).astype(np.float32)


@settings(max_examples=120, deadline=None)
@given(
    st.integers(1, 700),
    st.integers(1, 70),
    st.floats(0, 1),
    st.sampled_from(["spread", "near each other", "repeated", "all the same"]),
    st.integers(0, 2**32 - 1),
)
@example(512, 8, 1.0, "all the same", 0)
@example(513, 64, 0.0, "repeated", 1)
def test_the_nearest_are_those_of_all_cosines(clusters: int, dim: int, share: float, kind: str, seed: int) -> None:
    """kind: of the centroids; whether there are codes for so few or not, the answer is the same."""
    rng = np.random.default_rng(seed)
    centroids = rng.standard_normal((clusters, dim))
    if kind == "near each other":
        centroids = centroids[0] + 1e-3 * centroids
    elif kind == "repeated":
        centroids = centroids[rng.integers(max(clusters // 10, 1), size=clusters)]
    elif kind == "all the same":
        centroids = np.repeat(centroids[:1], clusters, axis=0)
    centroids = unit(centroids)
    query = unit(centroids[0] + 0.5 * rng.standard_normal(dim))
    nprobe = max(1, min(round(share * clusters), clusters))
    cosines = centroid_cosines(query, centroids)
    expected = np.argsort(-cosines, kind="stable")[:nprobe]
    assert_array_equal(nearest(cosines, nprobe), expected)
    for codes in (None, CentroidCodes(centroids)):
        found, known, off = nearest_of(query, centroids, codes, nprobe)
        assert_array_equal(found, expected)
        assert_array_equal(known[found], cosines[expected])
        assert np.abs(known[: len(cosines)] - cosines).max() <= off


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_estimates_are_as_near_as_they_say(clusters: int, dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centroids = unit(rng.standard_normal((clusters, dim)))
    query = unit(rng.standard_normal(dim))
    estimates, off = CentroidCodes(centroids).estimates(query)
    exact = centroids.astype(np.float64) @ query.astype(np.float64)
    assert np.abs(estimates - exact).max() <= off
    assert off < 0.1


@numba.njit
def order_of(scores):
    keys = np.empty(len(scores), dtype=np.uint64)
    for i in range(len(scores)):
        keys[i] = falling(scores[i])
    return keys


FLOATS = st.floats(allow_nan=False, width=32)


@settings(max_examples=300, deadline=None)
@given(st.lists(FLOATS | st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45]), min_size=1, max_size=50))
def test_falling_orders_numbers_as_they_are(values: list[float]) -> None:
    scores = np.array(values, dtype=np.float32)
    keys = order_of(scores)
    assert (keys < 2**32).all()
    assert_array_equal(np.argsort(keys, kind="stable"), np.argsort(-scores, kind="stable"))
    assert_array_equal(keys[:, None] == keys, scores[:, None] == scores)


@numba.njit
def largest_of(numbers, start):
    return _largest(address(numbers) + 4 * start, len(numbers) - start)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_the_largest_is_found_wherever_it_stands(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = rng.standard_normal(count + 3).astype(np.float32) - np.float32(2)
    assert largest_of(numbers, 3) == numbers[3:].max()
    numbers[3 + rng.integers(count)] = 9
    assert largest_of(numbers, 3) == 9
