"""A network learns an order that only the sequence tells, and serves it as a stage; other features are refused."""

import numpy as np
import pyarrow as pa
import pytest
from pairs_toy import write_folder
from ranked_people import forest_text
from served_people import UNIFIED, make_collection

from alicorn.errors import ConfigError, ModelError
from alicorn.pairs import PairsFolder
from alicorn.ranking.bst import Bst
from alicorn.ranking.features import FeatureSet
from alicorn.ranking.features.sequence import SequenceTokens
from alicorn.ranking.forest import Forest
from alicorn.ranking.learning.bst import learn_bst
from alicorn.ranking.learning.examples import RankExamples, rank_examples
from alicorn.ranking.ranker import Ranker, header_of
from alicorn.ranking.stages import Pipeline
from alicorn.retrieval.retriever import Retriever
from alicorn.vertical import Behaviour

LAST, KINDS, SHOWN = 4, 8, 5
SEQUENCE = {"parts": {"doc_id": "realtime_item", "city": "realtime_city"}, "ages": "realtime_age_days", "last": LAST}
FEATURES = FeatureSet.model_validate({"features": {"rank": {"kind": "static_rank"}}, "sequence": SEQUENCE})
REQUEST = UNIFIED.vertical.request.model_copy(update={"behaviour": Behaviour(kinds=("click",), attributes=("city",))})
VERTICAL = UNIFIED.vertical.model_copy(update={"request": REQUEST})


class Model(type(UNIFIED)):
    vertical = VERTICAL


MODEL = Model(UNIFIED.key, personal=True)


def examples(rng, searches):
    """Of five candidates, that of the kind that was chosen today is chosen; the others were chosen last month."""
    kinds = rng.permuted(np.tile(np.arange(1, KINDS + 1), (searches, 1)), axis=1)
    of_history, of_shown = kinds[:, :LAST], kinds[:, LAST - 1 : LAST - 1 + SHOWN].copy()
    today = rng.integers(0, LAST, searches)
    of_shown[:, 0] = of_history[np.arange(searches), today]
    order = rng.permuted(np.tile(np.arange(SHOWN), (searches, 1)), axis=1)
    of_shown = np.take_along_axis(of_shown, order, axis=1)
    ages = rng.uniform(20, 40, (searches, LAST))
    ages[np.arange(searches), today] = rng.uniform(0, 0.5, searches)

    def tokens(kinds):
        return np.stack([10 * kinds + rng.integers(0, 10, kinds.shape), kinds], axis=-1)

    found = SequenceTokens(tokens(of_shown).reshape(-1, 2), tokens(of_history), ages.astype(np.float32))
    rows = searches * SHOWN
    matrix = rng.normal(size=(rows, 1))
    matrix[rng.random(rows) < 0.1] = np.nan
    ones, names = np.ones(rows), np.array(["valid"] * searches, dtype=object)
    starts = np.arange(searches + 1) * SHOWN
    return RankExamples(
        matrix, (order == 0).ravel().astype(float), ones, ones.astype(int), starts, names, names, 0, 0, found
    )


@pytest.fixture(scope="module")
def learned():
    return learn_bst(examples(np.random.default_rng(0), 3000), FEATURES, positions=False, seed=0)


@pytest.mark.slow
def test_the_network_reads_the_sequence_and_its_ages(learned):
    network, fresh = Bst.read(learned, FEATURES), examples(np.random.default_rng(1), 200)
    right = 0
    for row in range(200):
        own = slice(row * SHOWN, (row + 1) * SHOWN)
        of_row = SequenceTokens(fresh.tokens.documents[own], fresh.tokens.history[[row]], fresh.tokens.ages[[row]])
        right += fresh.grades[own][network.score(of_row, fresh.matrix[own]).argmax()] == 1
    assert right > 90  # 40 by chance


@pytest.mark.slow
def test_the_stage_orders_by_it_and_other_features_are_refused(learned, tmp_path):
    text = forest_text(FEATURES)
    header = header_of(FEATURES, VERTICAL, {}, {})
    (tmp_path / "ranker").mkdir()
    Ranker(header, FEATURES, Forest.read(text), None, Bst.read(learned, FEATURES)).save(tmp_path / "ranker", text)
    (tmp_path / "ranking.yaml").write_text("ranker: ranker\nstages: [{kind: bst}]\n")
    searcher = {"city": "Oslo", "realtime_item": ["p1"], "realtime_city": ["Bergen"], "realtime_age_days": [0.5]}
    with make_collection(tmp_path / "collection") as collection:
        pipeline = Pipeline.load(tmp_path / "ranking.yaml", VERTICAL, collection)
        retriever = Retriever(collection, [MODEL], ranking=pipeline)
        asked = retriever.request(text="john", searcher=searcher)
        found = retriever.search(asked)
        slate = pipeline.slate(collection.search(asked.expression, asked.vectors), asked)
    assert asked.asked.known == {name: searcher[name] for name in pipeline.columns}
    tokens = FEATURES.sequence.tokens(slate.candidates)
    scores = dict(zip(slate.candidates.given_ids(), pipeline.ranker.bst.score(tokens, slate.matrix), strict=True))
    assert found.ids == sorted(scores, key=scores.get, reverse=True)
    assert found.scores == pytest.approx([scores[doc_id] for doc_id in found.ids], abs=1e-5)
    assert pipeline.ranker.fingerprints.keys() == {"forest", "bst"}
    network = tmp_path / "ranker" / "bst.onnx"
    network.write_bytes(network.read_bytes().replace(FEATURES.fingerprint().encode(), b"0" * 32))
    with pytest.raises(ModelError, match="learned on other features than features"):
        Ranker.load(tmp_path / "ranker")
    network.unlink()
    with pytest.raises(ModelError, match="No such file or directory; learn the ranker again"):
        Ranker.load(tmp_path / "ranker")


def test_examples_have_the_tokens_of_what_was_shown(tmp_path):
    shown = {
        "search_id": ["s1", "s1", "s2"],
        "searcher_id": ["p3"] * 3,
        "time": pa.array([1, 1, 2], pa.timestamp("us")),
        "query": ["john"] * 3,
        "doc_id": ["p1", "p2", "p1"],
        "position": [1, 2, 1],
        "grade": [1.0, 0.0, 1.0],
        "split": ["train", "train", "valid"],
    }
    behaviour = {
        "search_id": ["s1", "s2"],
        "realtime_item": [["p2", "gone"], []],
        "realtime_city": [["Bergen", None], []],
        "realtime_age_days": pa.array([[0.5, None], []], pa.list_(pa.float32())),
    }
    searchers = pa.table({"searcher_id": ["p3"], "city": ["Oslo"]})
    tables = {"impressions": pa.table(shown), "searchers": searchers, "behaviour": pa.table(behaviour)}
    folder = PairsFolder(write_folder(tmp_path / "pairs", tables))
    with make_collection(tmp_path / "collection") as collection:
        found = rank_examples(folder, Retriever(collection, [MODEL]), FEATURES, None)
    documents = dict(zip(found.matrix[:2, 0].tolist(), found.tokens.documents[:2].tolist(), strict=True))
    (p1, oslo), (p2, bergen) = documents[4.0], documents[3.0]  # by static rank
    assert len({p1, oslo, p2, bergen}) == 4
    gone = found.tokens.history[0, 3, 0]
    assert found.tokens.history[0].tolist() == [[0, 0], [0, 0], [p2, bergen], [gone, 0]]
    assert found.tokens.ages.tolist() == [[0.0, 0.0, 0.5, 3650.0], [0.0] * 4]
    assert (found.tokens.history[1] == 0).all()
    assert found.take(np.array([1])).tokens.documents.tolist() == [[p1, oslo]]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (
            {"ages": "realtime_ages"},
            "sequence: unknown column of the searcher 'realtime_ages'",
        ),
        ({"parts": {"cty": "realtime_city"}}, r"sequence: unknown stored column 'cty'; did you mean 'city'\?"),
        ({"parts": {"friends": "realtime_item"}}, "sequence: column 'friends' must have one value, got list"),
        ({"parts": {"city": "city"}}, "sequence: column 'city' of the searcher must be a list, got string"),
        ({"ages": "realtime_item"}, r"'realtime_item' of the searcher must be a list of numbers, got list<string>"),
    ],
)
def test_unknown_names_are_refused(tmp_path, changed, problem):
    wanted = FeatureSet.model_validate({"features": {"rank": {"kind": "static_rank"}}, "sequence": SEQUENCE | changed})
    with make_collection(tmp_path / "collection") as collection:
        snapshot = collection.snapshot()
        with pytest.raises(ConfigError, match=problem):
            wanted.check(VERTICAL, snapshot.columns, snapshot.embeddings)
