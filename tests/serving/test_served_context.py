"""The context of a request means the same in the log, in training, in evaluation and over HTTP, and is logged again."""

import datetime
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from asgi_client import Client
from shell import alicorn, succeed

from alicorn.evaluation.searches import read_searches
from alicorn.feedback import ServedLog
from alicorn.logs import mine
from alicorn.publishing.publish import publish
from alicorn.query import Collection
from alicorn.retrieval.given import given_columns
from alicorn.serving import create_app
from alicorn.serving.settings import context_types
from alicorn.training import Recipe, train
from alicorn.vertical import Vertical

VERTICAL = Vertical.model_validate(
    {
        "name": "sites",
        "embedding": "sites",
        "document": {
            "features": {"title": {"kind": "text", "column": "title"}},
            "terms": [{"prefix": "text", "column": "title", "kind": "words"}],
        },
        "request": {
            "features": {
                "text": {"kind": "text", "column": "query"},
                "device": {"kind": "id", "column": "device"},
                "page": {"kind": "numeric", "column": "page"},
            },
            "context": ["device", "page"],
        },
        "split": {"valid": 0.2},
    }
)
RECIPE = Recipe.model_validate(
    {
        "towers": {"dim": 8, "hidden": 16, "tables": {"text": {"buckets": 500, "dim": 8}}},
        "negatives": {"random": 8},
        "batch": 32,
        "epochs": 40,
        "patience": 40,
        "validation": {"k": 1},
        "dropout": 0.0,
    }
)
TITLES = {"phone": ["small screens", "touch and swipe"], "desk": ["large monitors", "mouse and keys"]}
DEVICES = list(TITLES)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A model that has learned that the same word means another document on another device, and its collection."""
    folder = tmp_path_factory.mktemp("context")
    titles = [title for device in DEVICES for title in TITLES[device]]
    rng = np.random.default_rng(0)
    device, which = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    tables = {
        "documents": pa.table({"doc_id": [f"d{i}" for i in range(4)], "title": titles}),
        "impressions": pa.table(
            {
                "search_id": [f"s{i}" for i in range(400)],
                "searcher_id": pa.nulls(400, pa.string()),
                "time": [datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=i) for i in range(400)],
                "query": [("look", "hand")[i] for i in which],
                "doc_id": [f"d{i}" for i in 2 * device + which],
                "position": [1] * 400,
                "clicked": [True] * 400,
                "device": [DEVICES[i] for i in device],
                "page": pa.array([1] * 400, pa.int32()),
            }
        ),
    }
    (folder / "logs").mkdir()
    for name, table in tables.items():
        pq.write_table(table, folder / "logs" / f"{name}.parquet")
    mine(folder / "logs", VERTICAL, folder / "pairs")
    model = train(folder / "pairs", VERTICAL, RECIPE, folder / "model", progress=False).model
    publish(folder / "logs" / "documents.parquet", folder / "collection", [model])
    return folder, model


def test_a_request_is_encoded_as_the_search_of_the_log_was(served):
    folder, model = served
    searches = read_searches(folder / "pairs")
    offline = model.encode_requests(searches.requests)
    with (
        Collection.open(folder / "collection", read_only=True) as collection,
        Client(create_app(collection, [model])) as client,
    ):
        for row in range(8):
            asked = {name: searches.requests[name][row].as_py() for name in ("device", "page")}
            body = {"text": searches.queries[row], "mode": "embedding", "context": asked, "limit": 1}
            hit = client.post("/v1/search", json=body).json()["hits"][0]
            wanted = searches.documents["title"][int(searches.targets.documents[row])].as_py()
            assert model.encode_documents(pa.table({"title": [wanted]}))[0] @ offline[row] == pytest.approx(
                hit["score"], abs=1e-5
            )
            assert hit["doc_id"] == searches.documents["doc_id"][int(searches.targets.documents[row])].as_py()


def test_the_device_decides_and_an_unknown_column_is_refused(served):
    folder, model = served
    with (
        Collection.open(folder / "collection", read_only=True) as collection,
        Client(create_app(collection, [model])) as client,
    ):
        assert client.get("/v1/about").json()["context_columns"] == ["device", "page"]
        found = {}
        for device in DEVICES:
            body = {"text": "look", "mode": "embedding", "context": {"device": device, "page": 1}, "limit": 1}
            found[device] = client.post("/v1/search", json=body).json()["hits"][0]["doc_id"]
        assert found == {"phone": "d0", "desk": "d2"}
        for context, message in (
            ({"devise": "phone"}, "context: unknown column 'devise'; did you mean 'device'? columns: device, page"),
            ({"page": "one"}, "context, column 'page', row 0: 'one' is no double"),
        ):
            refused = client.post("/v1/search", json={"text": "look", "context": context})
            assert refused.status_code == 400
            assert message in refused.json()["detail"]
        refused = client.post("/v1/search", json={"expression": "text:look", "context": {"device": "phone"}})
        assert "a context belongs to a text" in refused.json()["detail"]


def test_the_shell_takes_a_context(served):
    folder, _ = served
    expression = "(nn sites :k 1)"
    for device, doc_id in (("phone", "d1"), ("desk", "d3")):
        context = json.dumps({"device": device, "page": 1})
        ask = ("query", folder / "collection", expression, "--text", "hand", "--model", folder / "model")
        hits = succeed(*ask, "--context", context, "--json").json()["hits"]
        assert [hit["doc_id"] for hit in hits] == [doc_id]
    assert "--context must be a JSON object" in alicorn(*ask, "--context", "phone").refusal()


def test_what_was_served_is_a_log_with_its_context(served, tmp_path):
    folder, model = served
    with Collection.open(folder / "collection", read_only=True) as collection:
        for page in (1, None):
            with (
                ServedLog(tmp_path / "logs", context=context_types([model])) as log,
                Client(create_app(collection, [model], served_log=log)) as client,
            ):
                context = {"device": "desk"} if page is None else {"device": "phone", "page": page}
                answer = client.post("/v1/search", json={"text": "look", "context": context}).json()
                hit = {"search_id": answer["search_id"], "doc_id": answer["hits"][0]["doc_id"]}
                client.post("/v1/events", json=[{"action": "click", **hit}])
    pq.write_table(pq.read_table(folder / "logs" / "documents.parquet"), tmp_path / "logs" / "documents.parquet")
    mine(tmp_path / "logs", VERTICAL, tmp_path / "pairs")
    rows = pq.read_table(tmp_path / "pairs" / "context.parquet").to_pylist()
    assert sorted((row["device"], row["page"]) for row in rows if row["page"]) == [("phone", 1.0)]
    assert sorted(row["device"] for row in rows) == ["desk", "phone"]


def test_columns_that_are_not_given_are_null():
    columns = {column.name: column for column in VERTICAL.context_columns()}
    found = given_columns({"page": 2}, columns, "context")
    assert {name: (array.type, array.to_pylist()) for name, array in found.items()} == {
        "device": (pa.string(), [None]),
        "page": (pa.float64(), [2.0]),
    }
