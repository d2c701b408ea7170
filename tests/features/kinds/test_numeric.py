"""Standardised numbers: every column of finite numbers gives finite ones, whatever its size and spread."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alicorn.features.kinds.numeric import numeric_rows, standardization_of

FLOATS = st.one_of(st.none(), st.floats(width=64))


@given(st.lists(FLOATS, max_size=8), st.lists(FLOATS, max_size=8))
def test_any_numbers_are_measured_against_any_others(fitted: list[float | None], served: list[float | None]) -> None:
    found = standardization_of(pa.array(fitted, pa.float64()))
    rows = numeric_rows(pa.array(served, pa.float64()), found)
    assert np.isfinite(rows).all()
    assert np.abs(rows[:, 0]).max(initial=0) <= 8.0
    known = [value is not None and value == value for value in served]
    assert rows[:, 1].tolist() == known


@pytest.mark.parametrize("value", [0.1, 1e300, -3e-310, 7.0])
def test_a_column_of_equal_values_says_that_a_value_is_there_and_no_more(value: float) -> None:
    """The standard deviation of three times 0.1 is 1.4e-17: rounding is no deviation."""
    column = pa.array([value] * 3 + [None])
    found = standardization_of(column)
    assert found.deviation == 1.0
    assert numeric_rows(column, found).tolist() == [[0.0, 1.0]] * 3 + [[0.0, 0.0]]


def test_infinite_values_are_cut_and_do_not_measure() -> None:
    column = pa.array([1.0, 3.0, float("inf"), float("-inf")])
    found = standardization_of(column)
    assert (found.mean, found.deviation) == (2.0, 1.0)
    assert numeric_rows(column, found)[:, 0].tolist() == [-1.0, 1.0, 8.0, -8.0]


def test_large_numbers_are_standardised_like_small_ones() -> None:
    small = pa.array([1.0, 2.0, 4.0])
    large = pa.array([1e300, 2e300, 4e300])
    np.testing.assert_allclose(
        numeric_rows(small, standardization_of(small)), numeric_rows(large, standardization_of(large)), rtol=1e-6
    )
