"""Wide arithmetic against NumPy: inner products the same bits in every loop, products of levels exact."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from products_digest import digest

from alicorn.quantization import Int8
from alicorn.quantization.coarse.probing import centroid_cosines
from alicorn.quantization.codecs.int8 import PlaneRows
from alicorn.quantization.kernels.dot import dot
from alicorn.quantization.kernels.intrinsics import HAS_VNNI, address
from alicorn.quantization.kernels.levels import (
    MAX_DIM,
    TILE,
    dot_levels,
    dot_tile,
    level_weights,
    packed,
    place_of,
    plane_width,
    split_weights,
    tiled,
    unpacked,
)
from alicorn.quantization.stored import Float16Rows, Float32Rows
from alicorn.query.nn.loop.kernel import exact_cosines

DIMS = st.integers(1, 400) | st.sampled_from([63, 64, 65, 127, 128, 129, 192, 256, 1024])
SEEDS = st.integers(0, 2**32 - 1)


@numba.njit
def dot_of(first, second):
    return dot(address(first), address(second), len(first))


@numba.njit
def levels_of(plane, weights, out):
    for row in range(len(plane)):
        out[row] = dot_levels(address(plane) + row * plane.shape[1], plane.shape[1], address(weights))


@numba.njit
def tiles_of(tiles, weights, unit, constant, out):
    groups = tiles.shape[1]
    for tile in range(len(tiles)):
        at = address(tiles) + 64 * groups * tile
        dot_tile(at, groups, address(weights), unit, constant, address(out) + 4 * TILE * tile)


def unit_rows(count: int, dim: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def whole_numbers(weights: np.ndarray, dim: int) -> np.ndarray:
    """The whole numbers that level_weights wrote, in the order of the dimensions."""
    places = [place_of.py_func(j, len(weights) // 4) for j in range(dim)]
    return np.array([128 * int(weights[at]) + int(weights[at + on]) for at, on in places], dtype=np.int64)


@settings(max_examples=150, deadline=None)
@given(DIMS, SEEDS)
def test_dot_is_the_inner_product_and_the_same_bits_wherever_it_is_called(dim: int, seed: int) -> None:
    query, *rows = unit_rows(6, dim, seed)
    vectors = np.stack(rows)
    products = np.array([dot_of(query, row) for row in vectors], dtype=np.float32)
    np.testing.assert_allclose(products, vectors.astype(np.float64) @ query.astype(np.float64), atol=1e-5)
    assert_array_equal(centroid_cosines(query, vectors), products)
    assert_array_equal(scores(Float32Rows(vectors, dim), query), np.clip(products, -1, 1))


def scores(stored: Float32Rows | Float16Rows | PlaneRows, query: np.ndarray) -> np.ndarray:
    rows = np.arange(len(stored[0]), dtype=np.uint32)
    out = np.empty(len(rows), dtype=np.float32)
    exact_cosines(stored, query, rows, out)
    return out


@settings(max_examples=60, deadline=None)
@given(DIMS, SEEDS)
def test_a_vector_of_halves_or_whole_numbers_is_scored_as_what_it_stands_for(dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(7, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query = vectors[0]
    halves = vectors.astype(np.float16)
    expected = np.clip(halves.astype(np.float64) @ query, -1, 1)
    np.testing.assert_allclose(scores(Float16Rows(halves.view(np.uint8), dim), query), expected, atol=1e-6)
    codec = Int8(dim)
    whole = codec.encode(vectors)
    codes, fine = (np.ascontiguousarray(part) for part in np.hsplit(whole, [codec.scan_size]))
    found = scores(PlaneRows(codes, fine, codec.width), PlaneRows.queries(query))
    np.testing.assert_allclose(found, np.clip(codec.decode(whole) @ query.astype(np.float64), -1, 1), atol=1e-6)


@settings(max_examples=150, deadline=None)
@given(DIMS, SEEDS)
def test_planes_are_read_back_for_any_dimension(dim: int, seed: int) -> None:
    levels = np.random.default_rng(seed).integers(16, size=(3, dim), dtype=np.uint8)
    plane = packed(levels)
    assert plane.shape == (3, plane_width(dim))
    assert plane_width(dim) % 32 == 0
    assert plane_width(dim) <= dim / 2 + 32
    assert_array_equal(unpacked(plane, dim), levels)


@settings(max_examples=150, deadline=None)
@given(DIMS, SEEDS)
def test_products_of_packed_levels_are_exact(dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.integers(16, size=(4, dim), dtype=np.uint8)
    wanted = rng.standard_normal(dim).astype(np.float32)
    weights = np.empty(4 * plane_width(dim), dtype=np.int8)
    unit = level_weights(wanted, weights)
    whole = whole_numbers(weights, dim)
    assert np.abs(wanted - unit * whole).max() <= unit * 0.502
    found = np.empty(len(levels), dtype=np.int32)
    levels_of(packed(levels), weights, found)
    assert_array_equal(found, levels.astype(np.int64) @ whole)


@settings(max_examples=150, deadline=None)
@given(DIMS, SEEDS, st.integers(1, 40))
def test_products_of_tiles_are_exact(dim: int, seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.integers(256, size=(rows, dim), dtype=np.uint8)
    tiles = tiled(levels)
    weights = np.empty((2, 4 * tiles.shape[1]), dtype=np.int8)
    split_weights(rng.standard_normal(dim).astype(np.float32), weights)
    for part in (0, 1):  # with the other part 0 a sum stays below 2^24, and float32 holds it exactly
        alone = np.where(np.arange(2)[:, None] == part, weights, 0).astype(np.int8)
        found = np.empty(len(tiles) * TILE, dtype=np.float32)
        tiles_of(tiles, alone, np.float32(1.0), np.float32(0.0), found)
        expected = levels.astype(np.int64) @ alone[part, :dim].astype(np.int64) * (128 if part == 0 else 1)
        assert_array_equal(found[:rows], expected.astype(np.float32))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sum_of_the_largest_dimension_fits(sign: int) -> None:
    levels = np.full((1, MAX_DIM), 15, dtype=np.uint8)
    weights = np.empty(4 * plane_width(MAX_DIM), dtype=np.int8)
    level_weights(np.full(MAX_DIM, sign, dtype=np.float32), weights)
    found = np.empty(1, dtype=np.int32)
    levels_of(packed(levels), weights, found)
    assert found[0] == sign * 15 * 128 * 127 * MAX_DIM
    assert abs(int(found[0])) > 2**31 * 0.9, "a bound that is far below what fits"


@pytest.mark.skipif(not HAS_VNNI, reason="this processor runs the portable instructions anyway")
def test_portable_instructions_give_the_same_numbers(tmp_path: Path) -> None:
    """As a processor without VNNI would compile them, also where Numba is told to: the processor itself has it."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": "generic"}
    script = Path(__file__).with_name("products_digest.py")
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", digest()]
