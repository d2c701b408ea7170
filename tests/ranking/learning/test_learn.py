"""A ranker is learned from the log of a tiny world by the shell's verb, and then orders what is served."""

import numpy as np
import pyarrow as pa
import pytest
from pairs_toy import write_folder
from served_people import UNIFIED, make_collection
from shell import alicorn, succeed

from alicorn.config import dump_yaml
from alicorn.errors import TableError
from alicorn.pairs import PairsFolder
from alicorn.ranking.features import FeatureSet
from alicorn.ranking.forest import Forest
from alicorn.ranking.learning.examples import RankExamples, rank_examples, read_history, searches_of
from alicorn.ranking.learning.lambdamart import ForestSettings, learn_forest
from alicorn.ranking.learning.logged import logged_features
from alicorn.ranking.ranker import Ranker
from alicorn.retrieval.retriever import Retriever
from alicorn.vertical import Expressions, Vertical
from alicorn.vertical.expressions import RelevanceControl
from alicorn.vertical.selection.requests import RepeatRule

FEATURES = """
features:
  cosine: {kind: cosine, key: people}
  words: {kind: bm25, prefix: text, monotone: increasing}
  rank: {kind: static_rank}
  city: {kind: common, document: city, searcher: city}
  clicks: {kind: clicks, half_life_days: 7}
  popularity: {kind: popularity}
"""


@pytest.fixture(scope="module")
def learned(loop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    (folder / "features.yaml").write_text(FEATURES)
    place = ("--collection", loop.collection, "--model", loop.model, "--features", folder / "features.yaml")
    of_train = ("--split", "train", "--trees", "20", "--rows-in-leaf", "20", "--out", folder / "ranker", "--json")
    return folder, succeed("rank", "train", loop.pairs, *place, *of_train)


def test_the_report_compares_the_orders_and_the_folder_serves(loop, learned):
    folder, done = learned
    report = done.json()
    assert report["systems"] == ["present order", "rrf", "with ranking"]
    assert report["gains"].keys() == {"cosine", "words", "rank", "city", "clicks", "popularity"}
    assert report["to_rrf"].keys() == {"present order", "with ranking"}
    beside = {system: report["means"]["overall"][system]["NDCG@10"]["mean"] for system in report["systems"]}
    gained = beside["with ranking"] - beside["rrf"]
    assert report["to_rrf"]["with ranking"]["mean"] == pytest.approx(gained, abs=2e-6)
    assert sum(report["gains"].values()) == pytest.approx(1.0, abs=0.001)
    ranker = Ranker.load(folder / "ranker")
    assert len(ranker.forest.trees) == report["trees"] == ranker.header.learned["trees"]
    models = ("--model", loop.model, "--ranker", folder / "ranker")
    query = succeed("query", loop.collection, *models, "--text", "maria", "--json", "--explain")
    answer = query.json()
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert answer["explanation"]["children"][-1]["expression"] == "stage forest"
    last = answer["hits"][-1]["doc_id"]
    options = ("--text", "maria", *models, "--to-rank", "2", "--json")
    explained = succeed("rank", "explain", loop.collection, last, *options).json()
    assert (explained["rank"], explained["forest"]["score"]) == (len(scores), scores[-1])
    (folder / "repeats.yaml").write_text(dump_yaml(with_repeats(Vertical.load(loop.model / "vertical.yaml"))))
    by = ("rank", "explain", loop.collection, last, *options, "--vertical", folder / "repeats.yaml")
    assert "(nn " in succeed(*by).json()["expression"] == explained["expression"]
    found = succeed("query", loop.collection, "text:maria", "--json", "--order-by", "bm25").json()["hits"][0]["doc_id"]
    assert "(nn " not in succeed(*by, "--chosen", found).json()["expression"], "words alone still find it"
    system = "hybrid, with ranking"
    options = ("--collection", loop.collection, "--ranker", folder / "ranker", "--k", "10", "--json")
    evaluated = succeed("evaluate", loop.model, "--logs", loop.pairs, *options).json()
    assert system in evaluated["systems"]


def with_repeats(vertical):
    rules = [*vertical.selection.requests, RepeatRule(kind="repeat", days=7)]
    return vertical.model_copy(update={"selection": vertical.selection.model_copy(update={"requests": tuple(rules)})})


def refused(*words):
    return alicorn(*words).refusal()


def test_what_cannot_be_learned_is_refused(loop, learned, tmp_path):
    folder, _ = learned
    place = ("rank", "train", loop.pairs, "--collection", loop.collection, "--model", loop.model)
    out = ("--out", tmp_path / "ranker")
    features = ("--features", folder / "features.yaml")
    assert "exists and is not empty" in refused(*place, *features, "--out", folder / "ranker")
    assert "have no position: give --no-positions" in refused(*place, *features, *out, "--candidates", "5")
    (tmp_path / "features.yaml").write_text("features: {city: {kind: common, document: cty, searcher: city}}")
    message = refused(*place, "--features", tmp_path / "features.yaml", *out)
    assert "features.city: unknown stored column 'cty'; did you mean 'city'?" in message
    without_model = refused("query", loop.collection, "text:maria", "--ranker", folder / "ranker")
    assert "give its folder with --model" in without_model
    assert not (tmp_path / "ranker").exists()


ROWS = [  # search, document, position, grade, split
    ("s1", "p1", 1, 0.0, "train"),
    ("s1", "p2", 2, 1.0, "train"),
    ("s1", "gone", 3, 0.0, "train"),
    ("s2", "p3", 1, 0.0, "train"),  # nothing was chosen
    ("s3", "p1", 1, 2.0, "valid"),
    ("s3", "p/4", 2, 0.0, "valid"),
    ("s4", "p1", 1, 1.0, "test"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    search, document, position, grade, split = zip(*ROWS, strict=True)
    shown = pa.table(
        {
            "search_id": search,
            "searcher_id": ["p3"] * len(ROWS),
            "time": pa.array([int(one[1:]) * 10**6 for one in search], pa.timestamp("us")),
            "query": ["john"] * len(ROWS),
            "doc_id": document,
            "position": position,
            "grade": grade,
            "split": split,
        }
    )
    searchers = pa.table({"searcher_id": ["p3"], "city": ["Oslo"]})
    tables = {"impressions": shown, "searchers": searchers}
    return PairsFolder(write_folder(tmp_path_factory.mktemp("shown") / "pairs", tables))


def test_examples_are_what_was_shown_with_the_features_of_that_moment(folder, tmp_path):
    features = FeatureSet.model_validate(
        {
            "features": {
                "rank": {"kind": "static_rank"},
                "city": {"kind": "common", "document": "city", "searcher": "city"},
                "clicks": {"kind": "clicks", "half_life_days": None},
            }
        }
    )
    with make_collection(tmp_path / "collection") as collection:
        retriever = Retriever(collection, [UNIFIED])
        history = read_history(folder)
        found = rank_examples(folder, retriever, features, history)
        further = rank_examples(folder, retriever, features, history, ("valid",), candidates=3)
        fewer = rank_examples(folder, retriever, features, history, ("train",), valid=pa.array(["other"]))
        with pytest.raises(TableError, match="no search of valid"):
            rank_examples(folder, retriever, features, history, ("valid",), valid=pa.array(["other"]))
    assert fewer.search_ids.tolist() == ["s1"]
    assert found.search_ids.tolist() == ["s1", "s3"]
    assert found.starts.tolist() == [0, 2, 4]
    assert found.left_out == 1
    rows = [[*row] for row in zip(*found.matrix.T, found.grades, found.positions, strict=True)]
    nan = np.nan
    train, valid = ([[4, 1, nan, 0, 1], [3, 0, nan, 1, 2]], [[4, 1, 0, 2, 1], [1, 0, nan, 0, 2]])
    np.testing.assert_array_equal(sorted(rows[:2], reverse=True), train)
    np.testing.assert_array_equal(sorted(rows[2:], reverse=True), valid)
    assert searches_of(found, "train").tolist() == [0]
    assert sorted(found.take(np.array([1])).grades) == [0.0, 2.0]
    assert further.search_ids.tolist() == ["s3"]
    assert sorted(further.grades) == [0.0, 0.0, 2.0]  # of the first three, p1 and p/4 were shown
    assert sorted(further.positions) == [0, 1, 2]


class Sure:
    """A classifier that is sure of one term."""

    def __init__(self, term):
        self.term = term

    def confident(self, text, prefixes):
        return [(self.term, 0.97)]


def test_candidates_that_were_not_shown_are_those_that_the_control_lets_pass(folder, tmp_path):
    """Of the three nearest to John two are in Bergen; an intent that is learned keeps the other ones."""
    expressions = Expressions.model_validate({"hybrid": "(nn {key} :k 3)"})
    control = RelevanceControl(intents=("city",), filter="afterwards")
    features = FeatureSet.model_validate(
        {"features": {"city": {"kind": "common", "document": "city", "searcher": "city"}}}
    )

    def in_oslo(controlled, classifier):
        vertical = UNIFIED.vertical.model_copy(update={"expressions": expressions, "control": controlled})
        retriever = Retriever(collection, [UNIFIED.with_vertical(vertical)], classifier=classifier)
        found = rank_examples(folder, retriever, features, None, ("valid",), candidates=3)
        return found.matrix[found.positions == 0, 0].tolist()

    with make_collection(tmp_path / "collection") as collection:
        assert 0.0 in in_oslo(None, None)
        assert 0.0 not in in_oslo(control, Sure("city:oslo"))


def test_candidates_of_an_easy_repeat_are_those_without_nn(folder, tmp_path):
    """`s1` chose p2 for john, so that the repeat s3 is answered by words alone; p3, Jane, is only near."""
    features = FeatureSet.model_validate({"features": {"rank": {"kind": "static_rank"}}})
    chosen = pa.table({"searcher_id": ["p3"], "query": ["john"], "doc_id": ["p2"], "source": ["click"]})
    chosen = chosen.append_column("time", pa.array([10**6], pa.timestamp("us")))
    tables = {name: folder.read(name) for name in ("impressions", "searchers")} | {"pairs": chosen}
    repeated = PairsFolder(write_folder(tmp_path / "pairs", tables))

    def ranks(rules):
        expressions = Expressions.model_validate({"hybrid": "(or {terms} (nn {key} :k 4))"})
        selection = UNIFIED.vertical.selection.model_validate({"requests": rules})
        vertical = UNIFIED.vertical.model_copy(update={"expressions": expressions, "selection": selection})
        retriever = Retriever(collection, [UNIFIED.with_vertical(vertical)])
        return set(rank_examples(repeated, retriever, features, None, ("valid",), candidates=4).matrix[:, 0])

    with make_collection(tmp_path / "collection") as collection:
        assert ranks([]) == {1.0, 2.0, 3.0, 4.0}
        assert ranks([{"kind": "repeat", "days": 1}]) == {1.0, 3.0, 4.0}


def test_features_as_they_were_logged_are_taken_and_others_are_computed(tmp_path, folder):
    features = FeatureSet.model_validate({"features": {"rank": {"kind": "static_rank"}}})
    logged = [("s1", "p1", 7.0), ("s1", "p2", None), ("s1", "gone", 9.0), ("s3", "p1", 5.0)]
    search, document, value = zip(*logged, strict=True)
    table = {"search_id": search, "doc_id": document, "features": [[one] for one in value]}
    tables = {name: folder.read(name) for name in ("impressions", "searchers")}

    def examples(feature_set):
        served = pa.table(table | {"feature_set": [feature_set] * len(logged)})
        with_log = PairsFolder(write_folder(tmp_path / feature_set, tables | {"features": served}))
        return rank_examples(with_log, Retriever(collection, [UNIFIED]), features, None)

    with make_collection(tmp_path / "collection") as collection:
        found, other = examples(features.fingerprint()), examples("other")
    assert (found.logged, found.left_out) == (1, 0)  # of s3 the log has not all, so both are computed
    assert sorted(found.matrix[:3, 0].tolist(), key=str) == [7.0, 9.0, pytest.approx(np.nan, nan_ok=True)]
    assert sorted(found.matrix[3:, 0]) == [1.0, 4.0]
    assert (other.logged, other.left_out) == (0, 1)


def test_a_log_without_choices_teaches_nothing(tmp_path):
    empty = PairsFolder(write_folder(tmp_path / "pairs", {}))
    with pytest.raises(TableError, match="no search of train has a document that was chosen"):
        rank_examples(empty, None, None, None)


def biased(rng, num_searches, exponent):
    """Ten documents of a search in the order of a bad engine; clicked where looked at and relevant."""
    rows = rng.normal(size=(num_searches, 10, 3))
    relevant = 1 / (1 + np.exp(-2 * rows[:, :, 0] - rows[:, :, 1]))
    order = np.argsort(-(rows[:, :, 1] + rng.normal(size=(num_searches, 10))), axis=1)
    rows = np.take_along_axis(rows, order[:, :, None], axis=1)
    relevant = np.take_along_axis(relevant, order, axis=1)
    looked = rng.random((num_searches, 10)) < (1 / np.arange(1, 11)) ** exponent
    clicked = looked & (rng.random((num_searches, 10)) < relevant)
    return rows.reshape(-1, 3), relevant, clicked.astype(float)


def test_positions_take_their_effect_out_of_the_forest():
    rng = np.random.default_rng(0)
    features = FeatureSet.model_validate({"features": {f"f{at}": {"kind": "static_rank"} for at in range(3)}})
    learning, stopping, fresh = (biased(rng, count, 1.0) for count in (1500, 300, 500))

    def examples(made):
        rows, _, clicked = made
        count = len(clicked)
        positions = np.tile(np.arange(1, 11), count)
        of_rows = (rows, clicked.ravel(), np.ones(10 * count), positions)
        names = np.array(["train"] * count, dtype=object)
        found = RankExamples(*of_rows, np.arange(count + 1) * 10, names, names, 0)
        return found.take(searches_of(found, "train"))

    def loss_of_order(positions, propensities=()):
        """How much of the relevance in the first three is missed on searches that nobody has seen."""
        settings = ForestSettings(
            trees=60, leaves=8, rate=0.1, rows_in_leaf=50, positions=positions, propensities=propensities
        )
        text = learn_forest(examples(learning), examples(stopping), features, settings).text
        scores = Forest.read(text).score(fresh[0]).reshape(-1, 10)
        first = np.take_along_axis(fresh[1], np.argsort(-scores, axis=1)[:, :3], 1)
        return (np.sort(fresh[1], axis=1)[:, -3:].sum() - first.sum()) / fresh[1].sum()

    biased_loss = loss_of_order(positions=False)
    assert loss_of_order(positions=True) < 0.7 * biased_loss
    assert loss_of_order(positions=True, propensities=tuple(1 / np.arange(1, 11))) < 0.7 * biased_loss


def test_too_little_to_learn_from_and_too_much_of_one_search_are_refused():
    features = FeatureSet.model_validate({"features": {"rank": {"kind": "static_rank"}}})

    def examples(*counts):
        rows = sum(counts)
        of_rows = (np.zeros((rows, 1)), np.eye(1, rows).ravel(), np.ones(rows), np.arange(1, rows + 1))
        names = np.array([f"s{at}" for at in range(len(counts))], dtype=object)
        return RankExamples(*of_rows, np.cumsum([0, *counts]), names, names, 0)

    with pytest.raises(TableError, match="0 searches teach and 1 say when to stop, of those with a chosen document"):
        learn_forest(examples(), examples(2), features, ForestSettings())
    with pytest.raises(TableError, match="1 searches teach and 0 say when to stop"):
        learn_forest(examples(2), examples(), features, ForestSettings(positions=False))
    with pytest.raises(TableError, match="search 's1' has 10,001 documents, and LightGBM takes 10,000 of a search"):
        learn_forest(examples(2, 10_001), examples(2), features, ForestSettings())


def test_logged_features_are_found_by_search_and_document_even_with_blanks_in_both(tmp_path):
    features = FeatureSet.model_validate({"features": {"rank": {"kind": "static_rank"}}})
    ids = {"search_id": ["s 1", "s"], "doc_id": ["p", "1 p"]}
    table = pa.table(ids | {"features": [[7.0], [8.0]], "feature_set": [features.fingerprint()] * 2})
    folder = PairsFolder(write_folder(tmp_path / "pairs", {"features": table}))
    found = logged_features(folder, pa.table(ids), features)
    assert found.matrix[found.rows, 0].tolist() == [7.0, 8.0]
