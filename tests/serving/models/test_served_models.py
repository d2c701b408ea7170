"""Models are loaded, checked, shadowed and switched while the server answers; no answer is of two of them."""

import asyncio
import threading
import time

import numpy as np
import pytest
from asgi_client import ids, search
from served_people import DOCUMENTS, SEARCHERS, TEXT, UNIFIED, VERTICAL, Model, make_collection

from alicorn.errors import ModelError
from alicorn.feedback import ServedLog
from alicorn.serving.models import served_models

QUERIES = ("john", "smith", "jane", "doe", "smyth", "john smith")


class Candidate(Model):
    """UNIFIED again, under a key that may be changed."""

    def __init__(self, key="people", fingerprint="candidate"):
        super().__init__(key, personal=True)
        self.fingerprint = fingerprint

    def with_key(self, key):
        return type(self)(key, self.fingerprint)


class Slow(Candidate):
    def encode_requests(self, table):
        time.sleep(0.02)
        return super().encode_requests(table)


class Broken(Candidate):
    def encode_requests(self, table):
        return np.full((len(table), self.dim), np.nan if table["query"][0].as_py() == "smith" else 0.5, np.float32)


class Wider(Candidate):
    dim = 9


MODELS = {kind.__name__.lower(): kind() for kind in (Candidate, Slow, Broken, Wider)}


@pytest.fixture
def client(tmp_path, start, monkeypatch):
    """A collection with the vectors of UNIFIED under two more keys, `beside` and `wide`."""
    monkeypatch.setattr(served_models, "open_model", lambda folder: MODELS[folder.name])
    with make_collection(tmp_path / "c") as collection, ServedLog(tmp_path / "served") as log:
        yield start(collection, [UNIFIED, TEXT], searchers=SEARCHERS, served_log=log, model_folder=tmp_path)


def post(client, path, status=200, **body):
    answer = client.post(f"/v1/models{path}", **({"json": body} if body else {}))
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def current(client):
    return [model["key"] for model in client.get("/v1/models").json()["models"] if model["is_current"]]


def load(client, name, key="beside"):
    """Load a model under a key that is new, and send the documents again."""
    post(client, "", name=name, key=key, add=True)
    columns = ("name", "city", "year", "friends", "popularity")
    rows = [
        {"doc_id": row["doc_id"], "columns": {name: row[name] for name in columns}} for row in DOCUMENTS.to_pylist()
    ]
    assert client.post("/v1/documents", json=rows).json()["upserted"] == 4


def asked(client, repeats=3):
    """Searches for the log, with a click on the first hit of each."""
    for query in QUERIES * repeats:
        answer = search(client, text=query, searcher="p3")
        event = {"action": "click", "search_id": answer["search_id"], "doc_id": ids(answer)[0]}
        assert client.post("/v1/events", json=[event]).status_code == 204


def test_a_model_takes_over_after_its_check_and_hands_back(client, tmp_path):
    asked(client)
    assert current(client) == ["people"]
    load(client, "candidate")
    check = post(client, "/beside/check", limits={"slower": 100})
    assert check["refused"] == []
    assert (check["current"], check["searches"], check["clicks"]) == ("people", 18, 18)
    assert check["documents"] == {"current": 4.0, "candidate": 4.0}
    assert check["recall"]["candidate"] == check["agreement"] == check["found"]["candidate"] == 1.0
    post(client, "/beside/switch")
    assert current(client) == ["beside"]
    assert search(client, text="john", searcher="p3")["models"] == {"beside": "candidate"}
    post(client, "/rollback")
    assert current(client) == ["people"]
    post(client, "/rollback")
    assert current(client) == ["beside"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("slow", "it is slower"), ("broken", "it is broken: search 'smith' fails")],
)
def test_a_model_that_is_worse_is_refused_with_the_reason(client, name, reason):
    asked(client)
    load(client, name)
    detail = post(client, "/beside/switch", 409)["detail"]
    assert reason in detail
    assert current(client) == ["people"]


def test_documents_without_a_vector_and_too_few_searches_are_reasons(client):
    post(client, "", name="candidate", key="beside", add=True)
    detail = post(client, "/beside/switch", 409)["detail"]
    assert "4 of 4 documents have no vector of it" in detail
    assert "it answered 0 logged searches" in detail
    texts = list(QUERIES) * 2
    assert post(client, "/beside/check", texts=texts)["searches"] == 12


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"name": "candidate"}, 400, "embedding 'people' has a model here"),
        ({"name": "candidate", "key": "beside"}, 409, "the collection has no embedding 'beside'"),
        ({"name": "wider", "key": "people-text"}, 400, "embedding 'people-text' has a model here"),
        ({"name": "../candidate"}, 400, "that of a folder in the folder of models"),
        ({"name": ".."}, 400, "that of a folder in the folder of models"),
    ],
)
def test_a_model_that_does_not_fit_is_not_loaded(client, body, status, reason):
    before = client.get("/v1/models").json()
    assert reason in post(client, "", status, **body)["detail"]
    assert client.get("/v1/models").json() == before


def test_a_model_of_another_dimension_or_that_cannot_search_is_not_loaded(client, monkeypatch):
    def failing(folder):
        raise ModelError(f"{folder.name} is no model")

    post(client, "", name="candidate", key="beside", add=True)
    assert client.delete("/v1/models/beside").status_code == 204
    wider = Wider("beside")
    monkeypatch.setattr(served_models, "open_model", lambda folder: wider)
    assert "9 dimensions" in post(client, "", 400, name="wider")["detail"]
    monkeypatch.setattr(served_models, "open_model", failing)
    assert post(client, "", 400, name="x")["detail"] == "x is no model"


def test_what_searches_stays(client):
    for key in ("people", "nobody's"):
        assert client.delete(f"/v1/models/{key}").status_code == (409 if key == "people" else 404)
    allowed = client.request("OPTIONS", "/v1/models/rollback").headers["allow"]
    assert allowed == "POST"  # and not what may be done with a model that is called rollback
    assert "there is no model to go back to" in post(client, "/rollback", 409)["detail"]
    assert post(client, "/nothing/switch", 404)["detail"].startswith("no model of embedding 'nothing'")


def test_a_shadow_answers_a_share_that_nobody_sees(client):
    post(client, "/people-text/shadow", share=0.5)
    before = [search(client, text=query, searcher="p3")["models"] for query in QUERIES]
    assert before == [{"people": UNIFIED.fingerprint}] * 6
    for _ in range(500):
        report = client.get("/v1/models").json()["models"][1]["shadow"]
        if report["searches"] == 3:
            break
        time.sleep(0.01)
    assert (report["searches"], report["failed"]) == (3, 0)
    assert report["agreement"] > 0 < report["latency_ms"]
    assert post(client, "/people-text/shadow", share=0)["models"][1]["shadow"] is None


def test_no_answer_is_of_two_models_and_none_fails(client):
    """Searches go on through many switches; each answer is that of the one model that it names."""
    asked(client)
    load(client, "candidate")
    request = {"text": "john", "searcher": "p3", "mode": "embedding"}
    expected = {}
    for key in ("people", "people-text"):
        answer = search(client, **request, key=key)
        expected[key] = [(hit["doc_id"], hit["score"]) for hit in answer["hits"]]
    assert expected["people"] != expected["people-text"]
    post(client, "/people-text/check", limits={"slower": 100})
    post(client, "/people-text/switch")
    seen, switching = [], threading.Event()

    async def searching():
        while not switching.is_set():
            one = await client.client.post("/v1/search", json=request)
            many = await client.client.post("/v1/search/batch", json={"searches": [request] * 3})
            seen.append([one.json()])
            seen.append([each["answer"] for each in many.json()["answers"]])
            assert (one.status_code, many.status_code) == (200, 200)

    async def switches():
        for _ in range(40):
            answer = await client.client.post("/v1/models/rollback")
            assert answer.status_code == 200, answer.text
        switching.set()

    async def together():
        await asyncio.gather(*(searching() for _ in range(4)), switches())

    client.run(together())
    used = set()
    for answers in seen:
        (models,) = {tuple(answer["models"]) for answer in answers}
        (key,) = models
        used.add(key)
        assert all([(hit["doc_id"], hit["score"]) for hit in answer["hits"]] == expected[key] for answer in answers)
    assert used == {"people", "people-text"}


def test_a_page_goes_on_with_the_model_of_the_page_before(client):
    request = {"text": "john", "searcher": "p3", "mode": "embedding", "limit": 1}
    whole = ids(search(client, **request | {"limit": 10}))
    first = search(client, **request)
    post(client, "/people-text/check", texts=list(QUERIES) * 2, limits={"slower": 100})
    post(client, "/people-text/switch")
    second = search(client, **request, after=first["cursor"])
    assert second["models"] == {"people": UNIFIED.fingerprint}
    assert ids(first) + ids(second) == whole[:2]
    answer = client.post("/v1/search", json=request | {"after": first["cursor"].replace("~people", "~gone")})
    assert answer.status_code == 400
    assert "ask for the first page" in answer.json()["detail"]


def test_a_server_that_starts_again_goes_on_with_the_model_that_answered_last(client, tmp_path):
    post(client, "/people-text/check", texts=list(QUERIES) * 2, limits={"slower": 100})
    post(client, "/people-text/switch")
    assert VERTICAL.embedding == "people"
    assert search(client, text="john", searcher="p3")["models"] == {"people-text": TEXT.fingerprint}
