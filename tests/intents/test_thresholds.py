"""Calibration and thresholds, checked against what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.intents.thresholds import calibration, thresholds, wilson


def test_calibrated_odds_are_frequencies():
    rng = np.random.default_rng(0)
    odds = rng.normal(size=(20_000, 1)) * 3
    true = 1 / (1 + np.exp(-(0.5 * odds - 1)))
    has = (rng.random(odds.shape) < true).astype(np.float64)
    slope, offset = calibration(odds, has, np.array(["p"]))
    assert slope[0] == pytest.approx(0.5, abs=0.03)
    assert offset[0] == pytest.approx(-1, abs=0.05)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.6, 0.9]))
def test_what_is_above_a_threshold_has_the_precision_and_no_lower_one_has(seed, precision):
    rng = np.random.default_rng(seed)
    chances = np.round(rng.random((200, 1)), 2)
    has = (rng.random((200, 1)) < chances).astype(np.float64)
    (cut,) = thresholds(chances, has, np.array(["p"]), precision)
    enough = [
        value
        for value in np.unique(chances)
        if wilson(has[chances >= value].mean(), int((chances >= value).sum()), 1.0)[0] >= precision
    ]
    assert cut == (min(enough) if enough else np.inf)


def test_a_term_with_few_examples_has_the_threshold_of_its_prefix():
    rng = np.random.default_rng(0)
    chances = np.column_stack([rng.random(400), np.zeros(400)])
    chances[0, 1] = 0.99
    has = (chances > 0.5).astype(np.float64)
    often, rare = thresholds(chances, has, np.array(["p", "p"]), 0.95)
    assert np.isfinite(rare)
    assert rare <= 0.99
    assert often != np.inf


def test_wilsons_interval_holds_the_share():
    low, high = wilson(0.9, 100, 1.96)
    assert (low, high) == pytest.approx((0.8256, 0.9448), abs=1e-4)
