"""Int8: a vector is coded once, whatever becomes of its code, and no estimate is farther off than it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from alicorn.errors import ConfigError
from alicorn.quantization import CODES, Int8, KeyQuantizer, Settings

SHAPES = st.tuples(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 5, 63, 64, 65, 128, 300]))


def unit_rows(seed: int, dim: int, count: int = 8) -> np.ndarray:
    """Of very different shapes: from nearly one component to all alike."""
    rng = np.random.default_rng(seed)
    rows = np.sign(rng.normal(size=(count, dim))) * rng.random((count, dim)) ** rng.integers(0, 40, (count, 1))
    rows[:, rng.integers(dim)] += 0.1
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@settings(deadline=None)
@given(SHAPES)
def test_a_decoded_vector_has_the_code_that_it_came_from(shape: tuple[int, int]) -> None:
    codec = Int8(shape[1])
    codes = codec.encode(unit_rows(*shape))
    decoded = codec.decode(codes)
    assert_allclose(np.linalg.norm(decoded.astype(np.float64), axis=1), 1.0, atol=1e-6)
    assert_array_equal(codec.encode(decoded), codes)


@settings(deadline=None)
@given(SHAPES)
def test_the_code_is_the_nearest_whole_numbers(shape: tuple[int, int]) -> None:
    vectors = unit_rows(*shape).astype(np.float64)
    whole = np.rint(vectors / np.abs(vectors).max(axis=1, keepdims=True) * 127)
    codec = Int8(shape[1])
    expected = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    assert_allclose(codec.decode(codec.encode(vectors)), expected, atol=1e-6)


@settings(deadline=None)
@given(SHAPES)
def test_bounds_hold_for_scores_with_rounded_weights(shape: tuple[int, int]) -> None:
    """What the compiled loop computes, in double precision: high nibbles alone, and both."""
    codec = Int8(shape[1])
    vectors = unit_rows(*shape)
    quantizer = KeyQuantizer.untrained(shape[1], CODES)
    codes = quantizer.encode(vectors, np.empty(0, dtype=np.int32))
    query = unit_rows(shape[0] + 1, shape[1])[0]
    prepared = codec.prepare(query)
    unit, off = np.float64(prepared.unit), prepared.rounding
    rounded = np.rint(query.astype(np.float64) / unit) * unit
    exact = codec.decode(np.hstack([codes.codes, codes.fine])).astype(np.float64)
    near = codec.decode(codes.codes).astype(np.float64)
    assert np.any(prepared.weights)
    assert (np.abs(near @ rounded - exact @ query) <= codes.errors + off + 1e-6).all()
    assert (np.abs(exact @ rounded - exact @ query) <= off + 1e-6).all()


def test_where_codes_are_all_there_is_nothing_else_can_be_chosen() -> None:
    vectors = unit_rows(3, 16, count=40)
    quantizer = KeyQuantizer.train(vectors, 1, Settings(num_clusters=4), stored=CODES)
    assert isinstance(quantizer.codec, Int8)
    assert KeyQuantizer.from_arrays(quantizer.to_arrays()).stored == CODES
    with pytest.raises(ConfigError, match="leave codec, pq_bytes and bits out"):
        KeyQuantizer.train(vectors, 1, Settings(codec="sq8"), stored=CODES)
