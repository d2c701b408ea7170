import numpy as np
import pytest

from alicorn.evaluation.metrics.bootstrap import mean_interval, paired_difference, resampled_means


def test_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        found = mean_interval(rng.random(200) < 0.3, resamples=300, seed=trial)
        covered += found.low <= 0.3 <= found.high
    assert 0.91 <= covered / 300 <= 0.99


def test_width_is_that_of_the_normal_approximation():
    values = np.random.default_rng(1).random(2000) < 0.5
    found = mean_interval(values)
    assert found.mean == values.mean()
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(2000), rel=0.1)


def test_paired_difference_sees_what_separate_intervals_do_not():
    rng = np.random.default_rng(2)
    baseline = (rng.random(1000) < 0.5).astype(float)
    better = np.maximum(baseline, rng.random(1000) < 0.04)
    apart = mean_interval(better), mean_interval(baseline)
    assert apart[0].low < apart[1].high, "the intervals overlap"
    assert paired_difference(better, baseline).excludes_zero
    assert not paired_difference(baseline, rng.permutation(baseline)).excludes_zero


def test_same_seed_same_interval_and_another_seed_another():
    values = np.random.default_rng(3).random(100)
    assert mean_interval(values, seed=1) == mean_interval(values, seed=1)
    assert mean_interval(values, seed=1) != mean_interval(values, seed=2)


def test_resamples_are_shared_between_columns():
    values = np.random.default_rng(4).random(50)
    means = resampled_means(np.column_stack([values, 2 * values]), resamples=20)
    assert means[:, 1] == pytest.approx(2 * means[:, 0])


def test_searches_without_a_value_are_left_out():
    assert mean_interval(np.array([1.0, np.nan, 0.0])).mean == 0.5
    assert np.isnan(mean_interval(np.array([np.nan])).low)


def test_different_searches_are_refused():
    with pytest.raises(ValueError, match="same searches twice"):
        paired_difference(np.zeros(3), np.zeros(4))
