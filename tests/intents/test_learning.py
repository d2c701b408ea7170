"""What is learned from clicks is what people clicked, is as sure as was asked for, and is the same in service."""

import numpy as np
import pyarrow as pa
import pytest
from pairs_toy import write_folder
from served_people import VERTICAL

from alicorn.config import parse_config
from alicorn.errors import ConfigError, ModelError, TableError
from alicorn.intents import IntentClassifier
from alicorn.intents.learning import learn_intents
from alicorn.vertical import Vertical

CITIES = {"rain": "Bergen", "opera": "Oslo", "anything": None}
"""What people from where say; of `anything` both are chosen alike."""


def vertical_with(control):
    plain = VERTICAL.model_dump(mode="json") | {"control": control}
    return parse_config(plain, Vertical, where="vertical.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    rng = np.random.default_rng(0)
    words = rng.choice(list(CITIES), 1200)
    cities = [CITIES[word] or rng.choice(["Oslo", "Bergen"]) for word in words.tolist()]
    documents = pa.table({"doc_id": ["o", "b"], "city": ["Oslo", "Bergen"], "name": ["O", "B"]})
    pairs = pa.table(
        {
            "search_id": [f"s{row}" for row in range(1200)],
            "query": [f"{word} {rng.integers(30)}" for word in words.tolist()],
            "doc_id": ["o" if city == "Oslo" else "b" for city in cities],
            "source": ["click"] * 1200,
            "split": ["train"] * 800 + ["valid"] * 400,
        }
    )
    return write_folder(tmp_path_factory.mktemp("intents") / "pairs", {"documents": documents, "pairs": pairs})


@pytest.fixture(scope="module")
def learned(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("intents") / "intents.npz"
    report = learn_intents(folder, vertical_with({"intents": ["city"]}), out, precision=0.9, epochs=8)
    return report, IntentClassifier.load(out)


def test_it_is_confident_of_what_people_choose_and_of_nothing_else(learned):
    report, classifier = learned
    assert [term for term, _ in classifier.confident("rain 7", ("city",))] == ["city:bergen"]
    assert [term for term, _ in classifier.confident("opera", ("city",))] == ["city:oslo"]
    assert classifier.confident("anything 3", ("city",)) == []
    assert classifier.confident("rain 7", ("name",)) == []
    assert report.terms == {"city": 2}
    assert 0.5 < report.understood["city"] / report.valid_pairs < 0.8
    assert report.allowed["city"][0] >= 0.9
    assert "(wanted: 0.9)" in report.markdown()
    assert report.to_dict() == classifier.facts


def test_probabilities_are_those_of_the_choices(learned):
    _, classifier = learned
    assert classifier.probabilities("anything 3")[0] == pytest.approx(0.5, abs=0.2)
    assert classifier.probabilities("").shape == (2,)
    assert np.isfinite(classifier.probabilities("")).all()


def test_a_misspelt_word_is_read_by_its_trigrams(learned):
    _, classifier = learned
    before, after = classifier.probabilities("operas"), classifier.probabilities("zzz")
    oslo = classifier.terms.index("city:oslo")
    assert before[oslo] > after[oslo]


def test_what_cannot_be_learned_is_refused(folder, learned, tmp_path):
    with pytest.raises(ConfigError, match="has no control"):
        learn_intents(folder, VERTICAL, tmp_path / "x.npz")
    (tmp_path / "there.npz").write_bytes(b"")
    with pytest.raises(ConfigError, match="exists: choose another file, or give --overwrite"):
        learn_intents(folder, vertical_with({"intents": ["city"]}), tmp_path / "there.npz")
    with pytest.raises(ModelError, match="is no file that `alicorn intents` wrote"):
        IntentClassifier.load(tmp_path / "there.npz")
    empty = write_folder(tmp_path / "pairs", {"documents": pa.table({"doc_id": ["o"], "city": ["Oslo"]})})
    with pytest.raises(TableError, match="no pair of train"):
        learn_intents(empty, vertical_with({"intents": ["city"]}), tmp_path / "x.npz")
