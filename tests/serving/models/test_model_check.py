"""A candidate is compared with the present model on logged searches, and refused for what it would cost."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from served_people import VERTICAL, Model

from alicorn.feedback.recent import LoggedSearch
from alicorn.publishing.documents import indexed
from alicorn.publishing.provenance import metadata_of
from alicorn.query import Collection
from alicorn.retrieval.retriever import Retriever
from alicorn.serving.models.model_check import CheckLimits, check_model

NAMES = [f"name{number}" for number in range(400)]
NOBODY = {"searcher_id": None, "context": {}}


class Hashed(Model):
    """A name is a direction of its own; a request is it too, turned by `noise`."""

    dim = 16

    def __init__(self, key, noise=0.0):
        super().__init__(key, personal=False)
        self.noise = noise

    def encode_documents(self, table):
        return _directions(table["name"].to_pylist())

    def encode_requests(self, table):
        texts = table["query"].to_pylist()
        vectors = _directions(texts) + self.noise * _directions([f"noise of {text}" for text in texts])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _directions(texts):
    seeds = [xxhash.xxh32((text or "").encode()).intdigest() for text in texts]
    vectors = np.stack([np.random.default_rng(seed).normal(size=16) for seed in seeds]).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


MODELS = [Hashed("now"), Hashed("same"), Hashed("near", noise=0.3), Hashed("wrong", noise=100.0)]


@pytest.fixture(scope="module")
def retriever(tmp_path_factory):
    rows = {"doc_id": NAMES, "name": NAMES, "popularity": [1.0] * len(NAMES)}
    nothing = {name: pa.nulls(len(NAMES), pa.string()) for name in ("city", "friends")}
    documents = pa.table({**rows, **nothing, "year": pa.nulls(len(NAMES), pa.int64())})
    keys = {model.key: model.dim for model in MODELS}
    with Collection.create(tmp_path_factory.mktemp("c") / "c", keys, metadata_of(MODELS, VERTICAL)) as collection:
        now = datetime.datetime.now(datetime.UTC)
        collection.upsert(indexed(documents, MODELS, now).documents)
        yield Retriever(collection, MODELS).pinned()


SEARCHES = [LoggedSearch("", name, clicked=frozenset([name]), **NOBODY) for name in NAMES[:40]]
PATIENT = CheckLimits(slower=100.0)  # times of a busy machine


def test_figures_are_of_both_models(retriever):
    found = check_model(retriever, "near", SEARCHES, PATIENT)
    assert found.refused == []
    assert (found.current, found.searches, found.clicks) == ("now", 40, 40)
    assert (found.documents.current, found.documents.candidate) == (400, 400)
    assert (found.found.current, found.found.candidate) == (1.0, 1.0)
    assert 0.5 < found.agreement < 1.0
    assert check_model(retriever, "same", SEARCHES, PATIENT).agreement == 1.0


def test_a_model_of_something_else_is_refused(retriever):
    found = check_model(retriever, "wrong", SEARCHES, PATIENT)
    assert found.found.candidate < 0.6
    low, high = found.found_change
    assert low < found.found.candidate - 1.0 < high
    other_thing, lost = found.refused
    assert "it is another thing" in other_thing
    assert "it loses clicked documents" in lost


def test_limits_are_the_caller_s(retriever):
    allowed = CheckLimits(slower=100.0, agreement=0.0, clicks_lost=1.0)
    assert check_model(retriever, "wrong", SEARCHES, allowed).refused == []
    (reason,) = check_model(retriever, "near", SEARCHES, CheckLimits(slower=100.0, agreement=1.0)).refused
    assert "agreement asks for 1" in reason


def test_a_search_that_the_present_model_cannot_answer_is_left_out(retriever):
    unknown = LoggedSearch("", "name1", None, {"of_another_vertical": 1}, frozenset())
    assert check_model(retriever, "same", [unknown, *SEARCHES], PATIENT).searches == 40
    (reason,) = check_model(retriever, "same", SEARCHES[:9], PATIENT).refused
    assert "it answered 9 logged searches" in reason
