"""One number that is not finite is seen; a sum that overflows is not taken for one."""

import pytest
import torch

from alicorn.losses.finite import all_finite


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_one_number_that_is_not_finite_is_seen(wrong):
    numbers = torch.ones(7, 5)
    assert all_finite(numbers)
    numbers[3, 2] = wrong
    assert not all_finite(numbers)
    numbers[0, 0] = -wrong
    assert not all_finite(numbers)


def test_finite_numbers_whose_sum_is_infinite_are_finite():
    assert all_finite(torch.full((4, 4), 3e38))


def test_no_numbers_are_finite():
    assert all_finite(torch.empty(0, 3))
