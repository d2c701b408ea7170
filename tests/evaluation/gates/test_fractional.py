"""The fit gives groups their means; what does not vary says nothing."""

import numpy as np

from alicorn.evaluation.gates.fractional import expectation, fit_share


def test_each_group_is_expected_to_have_its_mean():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 4000)
    shares = np.clip(rng.normal([0.1, 0.5, 0.8], 0.1, (4000, 3)).T.ravel(), 0, 1)
    columns = np.column_stack([np.ones(len(group)), group == 1, 40.0 * (group == 2), np.full(len(group), np.log(2))])
    weights = fit_share(columns, shares)
    expected = expectation(columns, weights)
    for number in range(3):
        assert abs(expected[group == number][0] - shares[group == number].mean()) < 0.002
    assert weights[3] == 0


def test_shares_that_are_all_alike_are_fitted_too():
    columns = np.column_stack([np.ones(50), np.arange(50)])
    for share in (0.0, 1.0):
        expected = expectation(columns, fit_share(columns, np.full(50, share)))
        assert np.abs(expected - share).max() < 0.01
