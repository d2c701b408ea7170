"""Contributions add up to the score, and a change that is said to lift a hit does lift it; a smaller one does not."""

import lightgbm as lgb
import numpy as np
import pytest
from ranked_people import save_ranker
from served_people import SEARCHERS, UNIFIED, VERTICAL, make_collection

from alicorn.errors import ConfigError
from alicorn.ranking.explanation import contributions, smallest_lifts
from alicorn.ranking.forest import Forest
from alicorn.ranking.stages import Pipeline
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers


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


def test_a_hit_is_explained_as_it_is_served(tmp_path):
    with make_collection(tmp_path / "collection") as collection:
        pipeline = Pipeline.load(save_ranker(tmp_path / "ranker"), VERTICAL, collection)
        retriever = Retriever(collection, [UNIFIED], Searchers(VERTICAL, SEARCHERS), pipeline)
        request = retriever.request(text="john", searcher="p3")
        result = retriever.search(request)
        assert result.ids == ["p/4", "p3", "p2", "p1"]
        found = pipeline.explain(collection, request, "p1", to_rank=2)
        assert (found.rank, found.forest_rank, found.score) == (4, 4, result.scores[3])
        assert found.features == dict(zip(pipeline.ranker.features.names, result.features[3], strict=True))
        assert next(iter(found.contributions)) == "rank"
        (lift,) = (one for one in found.lifts if one.feature == "rank")
        assert lift.needed < lift.value == 4.0
        assert lift.rank <= 2
        assert "to rank 2, alone:\n  rank from 4 to" in str(found)
        assert pipeline.explain(collection, request, "p/4").lifts == ()
        with pytest.raises(ConfigError, match="'nobody' is not among the 4 candidates"):
            pipeline.explain(collection, request, "nobody")


def test_two_hits_differ_by_what_their_features_gave(tmp_path):
    with make_collection(tmp_path / "collection") as collection:
        pipeline = Pipeline.load(save_ranker(tmp_path / "ranker"), VERTICAL, collection)
        retriever = Retriever(collection, [UNIFIED], Searchers(VERTICAL, SEARCHERS), pipeline)
        request = retriever.request(text="john", searcher="p3")
        lower = pipeline.explain(collection, request, "p1", beside="p/4")
        upper = pipeline.explain(collection, request, "p/4")
        assert lower.channels == {}
        assert (lower.beside.doc_id, lower.beside.forest_rank, lower.beside.score) == ("p/4", 1, upper.score)
        assert next(iter(lower.beside.differences)) == "rank"
        assert sum(lower.beside.differences.values()) == pytest.approx(lower.score - upper.score)
        for name, gain in lower.beside.differences.items():
            assert gain == pytest.approx(lower.contributions[name] - upper.contributions[name])
        assert "beside p/4: 1 of the forest" in str(lower)
        assert "rank = 4 and not 1" in str(lower)
        assert lower.to_dict()["beside"]["doc_id"] == "p/4"


def test_the_stage_that_takes_a_hit_away_is_named(tmp_path):
    before = "{kind: filter, feature: matched, at_least: 0.5}, {kind: sum, weights: {rank: 1}, keep: 2}"
    with make_collection(tmp_path / "collection") as collection:
        save_ranker(tmp_path / "ranker")
        (tmp_path / "ranking.yaml").write_text(f"ranker: ranker\nstages: [{before}, {{kind: forest}}]\n")
        pipeline = Pipeline.load(tmp_path / "ranking.yaml", VERTICAL, collection)
        retriever = Retriever(collection, [UNIFIED], Searchers(VERTICAL, SEARCHERS), pipeline)
        request = retriever.request(text="john", searcher="p3")
        with pytest.raises(ConfigError, match="'p3' does not reach the stage forest: stage filter takes it away"):
            pipeline.explain(collection, request, "p3")
        with pytest.raises(ConfigError, match="'p/4' does not reach the stage forest: stage sum leaves it behind"):
            pipeline.explain(collection, request, "p1", beside="p/4")
