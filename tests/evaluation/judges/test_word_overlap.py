"""P_good by hand; a judge that learns from labels what overlap means; survivors counted in a real collection."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alicorn import Collection, Vertical
from alicorn.errors import ConfigError, TableError
from alicorn.evaluation.judges.judge import good_at
from alicorn.evaluation.judges.word_overlap import RelevanceModel, read_labels
from alicorn.evaluation.metrics.ranking import Targets
from alicorn.evaluation.reports.relevance import relevance
from alicorn.evaluation.reports.survivors import survivors
from alicorn.evaluation.searches import Searches

COLOURS = ["red", "blue", "green", "black", "white"]
THINGS = ["shoes", "dress", "shirt", "coat", "hat", "scarf"]
SHOP = Vertical.model_validate(
    {
        "name": "shop",
        "embedding": "shop",
        "document": {
            "features": {"title": {"kind": "text", "column": "title"}, "colour": {"kind": "id", "column": "colour"}},
            "terms": [{"prefix": "text", "column": "title", "kind": "words"}],
        },
        "request": {"features": {"text": {"kind": "text", "column": "query"}}},
        "expressions": {"boolean": "(and {terms})", "hybrid": "(or (and {terms}) (nn {key} :k 10))"},
        "split": {"valid": 0.1},
    }
)


def corpus() -> pa.Table:
    """Every thing in every colour; the title does not tell the colour."""
    pairs = [(colour, thing) for colour in COLOURS for thing in THINGS]
    return pa.table(
        {
            "doc_id": [f"d{number:02d}" for number in range(len(pairs))],
            "title": [f"fine {thing}" for _, thing in pairs],
            "colour": [colour for colour, _ in pairs],
        }
    )


def searches(queries: list[str]) -> Searches:
    count = len(queries)
    targets = Targets(np.arange(count + 1), np.zeros(count, dtype=np.int32), np.ones(count))
    search_ids = pa.chunked_array([[f"s{number}" for number in range(count)]])
    times, requests = np.zeros(count, dtype=np.int64), pa.table({"query": queries})
    return Searches("test", search_ids, times, requests, corpus(), targets, [[]] * count, count, 0, False)


def labels(queries: list[str]) -> pa.Table:
    """A document answers where colour and thing are those of the query."""
    rng, rows = np.random.default_rng(0), []
    documents = corpus()
    for query in queries:
        for number in rng.choice(len(documents), 12, replace=False).tolist():
            one = {name: documents[name][number].as_py() for name in documents.column_names}
            right = {one["colour"], one["title"].split()[1]} == set(query.split())
            rows.append({"query": query, "doc_id": one["doc_id"], "grade": float(right)})
    return pa.Table.from_pylist(rows)


def test_p_good_by_hand() -> None:
    chances = np.array([[0.9, 0.1, 0.5], [np.nan, 0.2, 0.8], [np.nan, np.nan, np.nan]])
    np.testing.assert_allclose(good_at(chances, 2), [0.5, 0.0, np.nan])
    np.testing.assert_allclose(good_at(chances, 3), [2 / 3, 0.5, np.nan])


QUERIES = [f"{colour} {thing}" for colour in COLOURS for thing in THINGS]


def test_a_judge_learns_from_labels_and_keeps_what_it_was_told() -> None:
    model = RelevanceModel(labels(QUERIES[:25]), corpus(), SHOP)
    assert model.auc is not None
    assert model.auc > 0.95
    assert model.num_labels == 25 * 12
    unseen = searches(["white hat", "white scarf"])
    ranked = np.array([[28, 4, 0, -1], [29, 28, 5, 1]], dtype=np.int32)
    chances = model.judge(unseen, ranked)
    assert np.isnan(chances[0, 3])
    assert (chances[0, :3] >= 0.5).tolist() == [True, False, False]
    assert (chances[1] >= 0.5).tolist() == [True, False, False, False]
    found = relevance({"exact search": ranked}, unseen, model, (1, 3), model.auc, model.num_labels)
    assert found.good["exact search"][1].mean == 1.0
    assert found.good["exact search"][3].mean == pytest.approx(1 / 3)
    assert "P_good@3" in found.markdown()
    told = pa.table({"query": ["white hat"], "doc_id": ["d28"], "grade": [0.0]})
    corrected = RelevanceModel(pa.concat_tables([labels(QUERIES[:25]), told]), corpus(), SHOP)
    assert corrected.judge(unseen, ranked)[0, 0] == 0.0  # a label is a fact


def test_labels_that_say_nothing_are_refused(tmp_path) -> None:
    one_kind = labels(QUERIES[:2]).set_column(2, "grade", pa.array(np.zeros(24)))
    with pytest.raises(TableError, match="0 have a grade above 0"):
        RelevanceModel(one_kind, corpus(), SHOP)
    for grade in (np.nan, np.inf):
        endless = one_kind.set_column(2, "grade", pa.array([1.0, grade, *np.zeros(22)]))
        with pytest.raises(TableError, match=r"column 'grade': a grade is NaN or infinity; .* first bad row 1"):
            RelevanceModel(endless, corpus(), SHOP)
    pq.write_table(pa.table({"query": ["a"]}), tmp_path / "labels.parquet")
    with pytest.raises(TableError, match="query, doc_id and grade"):
        read_labels(tmp_path / "labels.parquet")


def test_survivors_of_control_and_pre_ranking(tmp_path) -> None:
    """Of the 5 nearest, what has a word of the query passes; of that, what is among the first 2 by BM25 goes on."""
    vectors = np.eye(30, 32, dtype=np.float32)
    table = SHOP.index_table(corpus(), vectors)
    asked = searches(["shoes", "coat"])
    near_shoes = vectors[[0, 6, 12]].sum(axis=0) + 0.5 * vectors[[1, 7]].sum(axis=0)  # 3 pairs of shoes, 2 dresses
    with Collection.create(tmp_path / "collection", embeddings={"shop": 32}) as collection:
        collection.upsert(table)
        requests = np.stack([near_shoes, vectors[:5].sum(axis=0)])  # of 6 things in red, all but the hat: one coat
        found = survivors(collection, "shop", SHOP, asked, requests, "(or {terms})", k=5, cut=2)
        twice = survivors(collection, "shop", SHOP, asked, np.stack([requests] * 2, axis=1), "(or {terms})", k=5, cut=2)
        both = np.stack([requests, requests[::-1]], axis=1)  # two interests: what either request had
        joined = survivors(collection, "shop", SHOP, asked, both, "(or {terms})", k=5, cut=2)
    assert twice.to_dict() == found.to_dict()
    assert joined.retrieved.mean > 5
    assert joined.passed.mean >= found.passed.mean
    assert found.retrieved.mean == 5
    assert found.passed.mean == (3 + 1) / 2
    assert found.pre_ranked.mean <= found.passed.mean
    assert found.to_dict()["control"] == "(or {terms})"
    assert "throws away 60.0%" in found.markdown()
    with pytest.raises(ConfigError, match="no template"):
        survivors(collection, "shop", SHOP, asked, requests, "(or {terms}")
