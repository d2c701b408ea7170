"""A searching process and the owner in one process: writes go to the owner, and are seen by the next search."""

import contextlib
import json
import socket
import threading
import time

import pytest
import uvicorn
from asgi_client import Client
from served_people import SEARCHERS, TEXT, UNIFIED, Model, make_collection

from alicorn.query import Collection
from alicorn.serving import create_app
from alicorn.serving.models import served_models
from alicorn.serving.processes.part import NUMBERS, ServerPart
from alicorn.serving.processes.shared import SharedNumbers


def app_of(collection, part):
    return create_app(collection, [UNIFIED, TEXT], searchers=SEARCHERS, model_folder=part.folder, part=part)


@contextlib.contextmanager
def owner_of(collection, part):
    """The owner's app behind its socket, until the block ends."""
    app = app_of(collection, part)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(part.owner_socket))
    options = {"proxy_headers": True, "forwarded_allow_ips": "*", "access_log": False, "log_level": "warning"}
    server = uvicorn.Server(uvicorn.Config(app, **options))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        part.owner_socket.unlink()


@pytest.fixture
def several(tmp_path, monkeypatch):
    """A client of a searching process, and what starts its owner."""
    monkeypatch.setattr("alicorn.serving.processes.following.MOST_WAIT_S", 10.0)
    SharedNumbers.create(tmp_path / NUMBERS, 4)
    with (
        make_collection(tmp_path / "collection") as written,
        Collection.open(tmp_path / "collection", read_only=True) as followed,
        Client(app_of(followed, ServerPart(tmp_path, 2, is_owner=False))) as client,
    ):
        yield client, lambda: owner_of(written, ServerPart(tmp_path, 0, is_owner=True))


def total(client, expression):
    return client.post("/v1/search", json={"expression": expression}).json()["total"]


def test_what_is_written_by_way_of_a_searching_process_is_found_by_its_next_search(several):
    client, owner = several
    with owner():
        assert client.get("/healthz").json() == {"status": "ok", "documents": 4, "read_only": False}
        for number in range(5):
            document = {"doc_id": "n", "terms": [f"text:new{number}"], "columns": {"name": "N", "city": "Oslo"}}
            assert client.post("/v1/documents", json=[document]).json() == {"upserted": 1, "left_out": 0}
            assert total(client, f"text:new{number}") == 1
        assert client.delete("/v1/documents/n").json() == {"deleted": 1, "unknown": 0}
        assert client.get("/v1/documents/n").status_code == 404
        columns = {"name": "x" * 300, "city": "Oslo"}
        documents = ({"doc_id": f"b{at}", "terms": ["text:bulk"], "columns": columns} for at in range(900))
        lines = "\n".join(map(json.dumps, documents))
        sent = client.post("/v1/documents/bulk", content=lines, headers={"content-type": "application/x-ndjson"})
        assert sent.json()["written"] == total(client, "text:bulk") == 900


def test_answers_of_the_owner_come_as_they_are(several):
    client, owner = several
    with owner():
        refused = client.post("/v1/documents", json=[{"doc_id": "n", "columns": {"name": 7}}])
        assert (refused.status_code, refused.json()["column"]) == (400, "name")
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers.get_list("x-content-type-options") == ["nosniff"]
        asked = client.post("/v1/documents", content="x", headers={"content-type": "text/plain", "x-request-id": "r1"})
        assert (asked.status_code, asked.headers.get_list("x-request-id")) == (415, ["r1"])
        large = client.post("/v1/documents", content=b"[" * (65 << 20), headers={"content-type": "application/json"})
        assert large.status_code == 413
        assert client.get("/v1/models").json()["models"][0]["key"] == "people"


def test_without_an_owner_searches_are_answered_and_writes_refused_with_when_to_try_again(several):
    client, _ = several
    assert total(client, "text:john") == 3
    refused = client.delete("/v1/documents/p1")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "starts again" in refused.json()["detail"]


class Loaded(Model):
    """A further model; `with_key` says which."""

    def __init__(self, key="people"):
        super().__init__(key, personal=True)
        self.fingerprint = "loaded"

    def with_key(self, key):
        return Loaded(key)


def test_a_model_that_the_owner_loads_and_switches_to_answers_in_every_process(several, monkeypatch):
    client, owner = several
    monkeypatch.setattr(served_models, "open_model", lambda folder: Loaded())
    search = {"text": "john", "searcher": "p3", "mode": "embedding"}
    with owner():
        answer = client.post("/v1/models", json={"name": "m", "key": "beside", "add": True})
        assert [model["key"] for model in answer.json()["models"]] == ["people", "people-text", "beside"]
        assert client.post("/v1/search", json={**search, "key": "beside"}).json()["models"] == {"beside": "loaded"}
        columns = {"name": "John Smith", "city": "Oslo", "year": 1990, "friends": [], "popularity": 1.0}
        documents = [{"doc_id": doc_id, "columns": columns} for doc_id in ("p1", "p2", "p3", "p/4")]
        assert client.post("/v1/documents", json=documents).json()["upserted"] == 4
        client.post("/v1/models/beside/shadow", json={"share": 1.0})
        for _ in range(3):
            assert client.post("/v1/search", json=search).json()["models"] == {"people": UNIFIED.fingerprint}
        while (shadow := client.get("/v1/models").json()["models"][2]["shadow"])["searches"] < 3:
            time.sleep(0.01)
        assert (shadow["failed"], shadow["agreement"]) == (0, 1.0)
        texts = ["john", "smith", "jane", "doe", "smyth"] * 2
        checked = client.post("/v1/models/beside/check", json={"limits": {"slower": 100}, "texts": texts}).json()
        assert checked["refused"] == []
        for key in ("beside", "people", "beside"):
            if key == "people":
                assert client.post("/v1/models/rollback").status_code == 200
            else:
                assert client.post("/v1/models/beside/switch").status_code == 200
            assert list(client.post("/v1/search", json=search).json()["models"]) == [key]
        client.post("/v1/models/rollback")
        assert client.request("DELETE", "/v1/models/beside").status_code == 204
        assert client.post("/v1/search", json={**search, "key": "beside"}).status_code == 400
