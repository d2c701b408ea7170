"""Bitmaps combined and counted in one pass equal NumPy's."""

import numpy as np
import pytest

from alicorn.query.sets import bits


def words_of(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


@pytest.mark.parametrize("count", [0, 1, 3, 1000])
def test_words_are_combined_and_counted(count):
    first, second = words_of(1, count), words_of(2, count)
    for join, expected in (
        (bits.both, first & second),
        (bits.either, first | second),
        (bits.without, first & ~second),
    ):
        out = np.empty_like(first)
        assert join(first, second, out) == np.bitwise_count(expected).sum()
        assert (out == expected).all()
    assert bits.count(first) == np.bitwise_count(first).sum()
    assert bits.count_both(first, second) == np.bitwise_count(first & second).sum()


def test_all_and_none_of_the_bits_are_counted():
    assert bits.count(np.array([0, 2**64 - 1, 1, 2**63], dtype=np.uint64)) == 66
