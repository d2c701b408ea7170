"""Contributions add up to the score, and a change that is said to lift a hit does lift it; a smaller one does not."""

import lightgbm as lgb
import numpy as np
import pytest

from alicorn.ranking.explanation import contributions, smallest_lifts
from alicorn.ranking.forest import Forest


@pytest.fixture(scope="module")
def learned():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(600, 4))
    rows[rng.random(rows.shape) < 0.1] = np.nan
    gain = np.nan_to_num(rows[:, 0]) + np.isnan(rows[:, 1]) + rng.normal(size=600) / 2
    data = lgb.Dataset(rows, np.clip(gain.astype(int), 0, 4), group=[20] * 30, feature_name=["a", "b", "c", "noise"])
    parameters = {"objective": "lambdarank", "verbosity": -1, "num_threads": 1, "num_leaves": 8}
    booster = lgb.train(parameters, data, num_boost_round=20)
    return booster, Forest.read(booster.model_to_string()), rows[:60]


def test_contributions_add_up_to_the_score(learned):
    booster, forest, rows = learned
    bases = set()
    for row, score in zip(rows, forest.score(rows), strict=True):
        base, parts = contributions(forest, row)
        bases.add(base)
        assert base + parts.sum() == pytest.approx(score, abs=1e-12)
    (base,) = bases
    # LightGBM's SHAP values have the same mean of all rows, in their last column.
    assert base == pytest.approx(booster.predict(rows[:1], pred_contrib=True)[0, -1], abs=1e-9)


def test_a_contribution_is_of_what_decides(learned):
    _, forest, rows = learned
    parts = np.array([contributions(forest, row)[1] for row in rows])
    assert np.abs(parts[:, 0]).mean() > 5 * np.abs(parts[:, 3]).mean()
    unused = [at for at in range(4) if not any((tree.features == at).any() for tree in forest.trees)]
    assert not parts[:, unused].any()


@pytest.mark.parametrize("to_rank", [8, 15, 30])
def test_the_change_that_is_named_lifts_and_a_smaller_one_does_not(learned, to_rank):
    _, forest, rows = learned
    scores = forest.score(rows)
    by_score = np.argsort(-scores, kind="stable")
    for place in (40, 59):
        row = int(by_score[place])
        lifts = smallest_lifts(forest, rows, row, to_rank)
        assert lifts, "the first feature decides nearly alone"
        for lift in lifts:
            at = forest.feature_names.index(lift.feature)

            def rank_with(value, at=at, row=row):
                changed = rows.copy()
                changed[row, at] = value
                again = forest.score(changed)
                return 1 + int((np.delete(again, row) >= again[row]).sum())

            assert rank_with(lift.needed) == lift.rank <= to_rank
            if not np.isnan(lift.value):
                between = np.linspace(lift.value, lift.needed, 50)[:-1]
                assert all(rank_with(value) > to_rank for value in between)
