"""A forest is scored bit for bit as LightGBM scores it, and what is not read is refused."""

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.errors import ModelError
from alicorn.ranking.forest import Forest

QUIET = {"objective": "lambdarank", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 1}
SPECIAL = np.array([np.nan, 0.0, -0.0, 1e-36, -1e-36, 1e-35, 2e-35, np.inf, -np.inf, 1e300, -1e300])


def learned(seed, trees=8, leaves=9, features=5, **parameters):
    """A forest over numbers, whole numbers, zeros and missing values, and rows to score: also values at its
    thresholds, and values that no training row had."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(400, features))
    rows[:, 1] = rng.integers(-2, 3, 400)
    rows[rng.random(rows.shape) < 0.2] = 0.0
    rows[:, : features - 1][rng.random((400, features - 1)) < 0.2] = np.nan  # the last column misses nothing
    gains = np.nan_to_num(rows[:, 0]) + np.isnan(rows[:, 2]) + rows[:, -1] + rng.normal(size=400)
    labels = np.clip(gains.astype(int), 0, 4)
    booster = lgb.train(
        QUIET | {"num_leaves": leaves, **parameters}, lgb.Dataset(rows, labels, group=[20] * 20), num_boost_round=trees
    )
    asked = np.concatenate([rows[:99], rng.choice(SPECIAL, size=(99, features))])
    thresholds = np.concatenate([tree.thresholds for tree in Forest.read(booster.model_to_string()).trees])
    if len(thresholds):
        asked = np.concatenate([asked, rng.choice(thresholds, size=(99, features))])
    return booster, asked


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    leaves=st.integers(2, 40),
    features=st.integers(3, 9),
    missing=st.sampled_from([{}, {"zero_as_missing": True}, {"use_missing": False}]),
)
def test_a_forest_has_the_bits_of_lightgbm(seed, leaves, features, missing):
    booster, rows = learned(seed, leaves=leaves, features=features, **missing)
    found = Forest.read(booster.model_to_string()).score(rows)
    assert np.array_equal(found, booster.predict(rows, num_threads=1))


def test_every_number_of_rows_is_scored():
    booster, rows = learned(3)
    forest = Forest.read(booster.model_to_string())
    for count in range(20):
        assert np.array_equal(forest.score(rows[:count]), forest.score(rows)[:count])


def test_a_tree_of_one_leaf_is_its_value():
    rows = np.ones((40, 2))
    booster = lgb.train(QUIET | {"objective": "regression"}, lgb.Dataset(rows, np.full(40, 3.0)), num_boost_round=2)
    assert np.array_equal(Forest.read(booster.model_to_string()).score(rows), booster.predict(rows))


def test_a_forest_is_read_up_to_its_best_round(tmp_path):
    booster, rows = learned(5, trees=6)
    booster.best_iteration = 2
    booster.save_model(tmp_path / "forest.txt")
    forest = Forest.load(tmp_path / "forest.txt")
    assert len(forest.trees) == 2
    assert np.array_equal(forest.score(rows), booster.predict(rows, num_iteration=2))


def test_another_number_of_features_is_no_row():
    forest = Forest.read(learned(0)[0].model_to_string())
    with pytest.raises(ValueError, match="rows have 5 features, got shape \\(1, 4\\)"):
        forest.score(np.zeros((1, 4)))


def _categorical():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 8, size=(200, 2)).astype(float)
    data = lgb.Dataset(rows, (rows[:, 0] % 2).astype(int), group=[20] * 10, categorical_feature=[0])
    return lgb.train(QUIET | {"min_data_per_group": 1, "cat_smooth": 0}, data, num_boost_round=2)


def _linear():
    rows = np.random.default_rng(0).normal(size=(200, 2))
    parameters = QUIET | {"objective": "regression", "linear_tree": True}
    return lgb.train(parameters, lgb.Dataset(rows, rows[:, 0], params={"linear_tree": True}), num_boost_round=2)


def _binary():
    rows = np.random.default_rng(0).normal(size=(200, 2))
    return lgb.train(QUIET | {"objective": "binary"}, lgb.Dataset(rows, rows[:, 0] > 0), num_boost_round=2)


def _averaged():
    rows = np.random.default_rng(0).normal(size=(200, 2))
    forest = QUIET | {"objective": "regression", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
    return lgb.train(forest, lgb.Dataset(rows, rows[:, 0]), num_boost_round=2)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_categorical, "tree 0: num_cat=\\d+: categorical splits are not read"),
        (_linear, "tree 0: is_linear=1: linear trees are not read"),
        (_binary, "objective is one of lambdarank, rank_xendcg, regression.*got 'binary"),
        (_averaged, "'average_output' is not known"),
    ],
)
def test_what_is_not_read_is_refused(make, problem):
    with pytest.raises(ModelError, match=problem):
        Forest.read(make().model_to_string())


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("tree\n", "forest\n", "begins with the line `tree`"),
        ("version=v4", "version=v5", "only version=v4 is read"),
        ("num_class=1", "num_class=2", "only num_class=1 is read"),
        ("max_feature_idx=4", "max_feature_idx=5", "5 feature_names, and max_feature_idx is 5"),
        ("end of trees", "", "not all of them"),
        ("shrinkage=0.1", "shrinkage=0.1\nshrunk=1", "tree 0: 'shrunk' is not known"),
        ("Tree=1", "Tree=2", "not numbered in order"),
        ("left_child=1 ", "left_child=0 ", "no tree: the file is damaged"),
        ("left_child=1 ", "left_child=1 1 ", "left_child has 9 numbers, and 8 are needed"),
        ("split_feature=", "split_feature=1", "split_feature is from 0 to 4"),
        ("threshold=", "threshold=x", "threshold: could not convert"),
        ("num_leaves=9", "num_leaves=nan", "num_leaves has numbers that are not whole"),
        ("num_leaves=9", "num_leaves=0", "num_leaves is at least 1, got 0"),
        ("left_child=1 ", "left_child=1.5 ", "left_child has numbers that are not whole"),
        ("decision_type=", "decision_type=1", "a decision_type is unknown|categorical"),
    ],
)
def test_a_damaged_text_is_refused(old, new, problem):
    text = learned(1)[0].model_to_string()
    assert old in text
    with pytest.raises(ModelError, match=problem):
        Forest.read(text.replace(old, new, 1))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"forest\.txt: cannot be read: No such file"):
        Forest.load(tmp_path / "forest.txt")
