"""The app as a whole: other routes and methods, the page, the served log, metrics, and what must fit together."""

import datetime
import re

import msgspec
import pyarrow as pa
import pyarrow.parquet
import pytest
from asgi_client import Client, refused, search
from served_people import SEARCHERS, UNIFIED, Model

from alicorn.errors import CollectionError, TableError
from alicorn.feedback import ServedLog
from alicorn.query import Collection
from alicorn.retrieval.retriever import Retriever
from alicorn.serving import create_app
from alicorn.serving.api.document_operations import bulk_operation, document_operations
from alicorn.serving.api.search_endpoint import SearchEndpoint
from alicorn.serving.api.search_operations import events_operation, search_operations, typing_operations, why_operation
from alicorn.serving.api.status_operations import status_operations
from alicorn.serving.background import Background
from alicorn.serving.metrics import Metrics
from alicorn.serving.models.operations import model_operations
from alicorn.serving.models.served_models import ServedModels
from alicorn.serving.security.access import Access


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b'{"text": "\\ud800"}', b"[" * 100_000, b'{"text": NaN}']
)
def test_a_body_that_is_no_json_object_is_a_400(client, body):
    answer = client.post("/v1/search", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("the body is")


def test_a_body_must_call_itself_json_and_has_a_largest_size(client):
    assert client.post("/v1/search", content=b'{"text": "a"}').status_code == 415
    typed = {"content-type": "application/json; charset=utf-8"}
    assert client.post("/v1/search", content=b'{"text": "a"}', headers=typed).status_code == 200
    assert client.post("/v1/search", content=b" " * (5 << 20), headers=typed).status_code == 413


def test_served_searches_and_events_are_logged_when_the_app_shuts_down(collection, tmp_path):
    log = ServedLog(tmp_path / "served")
    with log, Client(create_app(collection, [UNIFIED], searchers=SEARCHERS, served_log=log)) as client:
        search_id = search(client, text="john smith", searcher="p3", limit=2, mode="boolean", session_id="v")[
            "search_id"
        ]
        click = {"action": "click", "search_id": search_id, "doc_id": "p1", "event_id": "e1", "position": 1}
        beacon = msgspec.json.encode([click | {"time": "2026-01-02T03:04:05.678Z"}, {"action": "scroll"}])
        answer = client.post("/v1/events", content=beacon, headers={"content-type": "text/plain;charset=UTF-8"})
        assert (answer.status_code, answer.content) == (204, b"")
        assert client.post("/v1/events", json=[]).status_code == 204
        assert search(client, text="nobody", mode="boolean")["search_id"] is not None
        assert search(client, text="john", limit=0)["search_id"] is None
    tables = {
        name: pa.parquet.read_table(tmp_path / "served" / name).to_pylist() for name in ("searches", "shown", "events")
    }
    found = [(row["searcher_id"], row["session_id"], row["query"], row["mode"]) for row in tables["searches"]]
    assert found == [("p3", "v", "john smith", "boolean"), (None, None, "nobody", "boolean")]
    asked = tables["searches"][0]
    assert (asked["total"], asked["expression"], asked["model"]) == (2, "(and text:john text:smith)", None)
    assert abs(asked["time"] - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)).seconds < 60
    shown = [(row["search_id"], row["doc_id"], row["position"]) for row in tables["shown"]]
    assert shown == [(search_id, "p1", 1), (search_id, "p/4", 2)]
    assert [row["action"] for row in tables["events"]] == ["click", "scroll"]
    assert tables["events"][0]["time"] == datetime.datetime(2026, 1, 2, 3, 4, 5, 678000)


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ({}, "missing required field `action` - at `$[1]`"),
        ({"action": ""}, "at `$[1].action`"),
        ({"action": "click", "time": "yesterday"}, "'yesterday' is no time of ISO 8601"),
        ({"action": "click", "position": 0}, "at `$[1].position`"),
        ({"action": "click", "docid": "a"}, "unknown field `docid`"),
    ],
)
def test_a_batch_with_a_bad_event_is_refused_as_a_whole(client, tmp_path, event, problem):
    answer = client.post("/v1/events", json=[{"action": "click"}, event])
    assert answer.status_code == 400
    assert problem in answer.json()["detail"]
    (journal,) = (tmp_path / "served").glob("journal-*.jsonl")
    assert journal.read_bytes() == b""


def test_a_log_that_cannot_be_written_is_a_notice_and_no_failure(client, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ServedLog, "search", full)
    assert search(client, text="john")["notices"] == ["this search is not in the served log: No space left on device"]


def test_without_a_log_searches_have_no_id_and_events_are_refused(collection, start):
    client = start(collection, [UNIFIED], searchers=SEARCHERS)
    assert search(client, text="john")["search_id"] is None
    answer = client.post("/v1/events", json=[{"action": "click", "search_id": "a", "doc_id": "b"}])
    assert answer.status_code == 400
    assert "keeps no log" in answer.json()["detail"]


def test_a_text_is_analyzed_by_the_vertical(collection, client, start):
    answer = client.post("/v1/analyze", json={"text": "John Smith"}).json()
    assert answer["text"]["steps"][-1]["document"] == ["text:john", "text:smith"]
    assert answer["text"]["steps"][-1]["query"] == ["text:john", "text:smith"]
    assert answer["text"]["columns"] == ["name"]
    assert "$.text" in refused(client, path="/v1/analyze", text="x" * 1001)["detail"]
    assert "no vertical" in refused(start(collection), path="/v1/analyze", text="x")["detail"]


def test_searchers_to_choose_from_are_labelled(client):
    answer = client.get("/v1/searchers", params={"limit": 5}).json()
    assert answer == {
        "total": 2,
        "searchers": [
            {"searcher_id": "p3", "label": "Jane Doe, Oslo"},
            {"searcher_id": "p2", "label": "John Smyth, Bergen"},
        ],
    }
    assert client.get("/v1/searchers?limit=0").status_code == 400
    assert "query.limit" in client.get("/v1/searchers?limit=x").json()["detail"]


def test_about_names_the_columns_of_the_page(client, collection, start):
    about = client.get("/v1/about").json()
    assert [(column["mode"], column["key"]) for column in about["columns"]] == [
        ("boolean", ""),
        ("embedding", "people-text"),
        ("hybrid", "people"),
    ]
    assert (about["documents"], about["searcher_columns"], about["logs_events"]) == (4, ["city"], True)
    alone = start(collection, [UNIFIED]).get("/v1/about").json()
    assert [column["key"] for column in alone["columns"]] == ["", "people", "people"]


def test_health_metrics_and_openapi(client):
    assert client.get("/healthz").json() == {"status": "ok", "documents": 4, "read_only": False}
    search(client, text="john")
    refused(client, expression="(")
    client.get("/v1/documents/nobody")
    client.get("/no/such/route")
    metrics = client.get("/metrics").text
    assert 'alicorn_requests_total{method="POST",route="/v1/search",status="200"} 1.0' in metrics
    assert 'alicorn_requests_total{method="POST",route="/v1/search",status="400"} 1.0' in metrics
    assert 'alicorn_requests_total{method="GET",route="/v1/documents/{doc_id:path}",status="404"} 1.0' in metrics
    assert 'alicorn_request_seconds_count{method="POST",route="/v1/search"} 2.0' in metrics
    assert "alicorn_documents 4.0" in metrics
    assert "/no/such/route" not in metrics
    described = client.get("/openapi.json").json()
    assert {"expression", "text", "searcher", "limit"} <= set(
        described["components"]["schemas"]["SearchRequest"]["properties"]
    )


def test_the_page_and_its_parts_come_from_here_alone(client):
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    for name in ("page.css", "page.js", "icon.svg"):
        assert f"/static/{name}" in page.text
        part = client.get(f"/static/{name}")
        assert part.status_code == 200
        assert re.findall(r"https?://[^\s\"']+", part.text) in ([], ["http://www.w3.org/2000/svg"])
    assert "http" not in page.text
    assert client.get("/docs").status_code == 404


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/v1/search", 405)])
def test_other_routes_and_methods_are_errors_as_json(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "about:blank"
    assert answer.json()["status"] == status


GET_PATHS = ["/healthz", "/metrics", "/v1/about", "/v1/searchers", "/v1/documents/p1", "/openapi.json", "/"]


GET_PATHS += ["/static/page.js"]


@pytest.mark.parametrize("path", GET_PATHS)
def test_head_is_answered_as_get(client, path):
    head, get = client.request("HEAD", path), client.get(path)
    assert (head.status_code, head.headers["content-type"]) == (200, get.headers["content-type"])


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/documents/p1", {"GET", "HEAD", "DELETE"}),
        ("GET", "/v1/documents", {"POST", "PATCH"}),
        ("HEAD", "/v1/search", {"POST"}),
        ("DELETE", "/healthz", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_told_all_right_ones(client, method, path, allowed):
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_every_operation_is_described_with_what_it_takes_gives_and_refuses(client):
    paths = client.get("/openapi.json").json()["paths"]
    described = {(method, path): found for path, methods in paths.items() for method, found in methods.items()}
    assert len(described) == 25
    assert len({found["operationId"] for found in described.values()}) == 25
    for (method, path), found in described.items():
        assert ("requestBody" in found) == (method in ("post", "patch") and not path.endswith(("/switch", "/rollback")))
        assert [p["name"] for p in found.get("parameters", []) if p["in"] == "path"] == re.findall(r"{(\w+)}", path)
        for status, answer in found["responses"].items():
            assert (status == "204") == ("content" not in answer)
            schemas = [content["schema"] for content in answer.get("content", {}).values()]
            assert status in ("200", "204") or schemas == [{"$ref": "#/components/schemas/Problem"}]
    searching = described["post", "/v1/search"]["responses"]
    assert set(searching) == {"200", *map(str, (400, 401, 403, 408, 409, 413, 415, 429, 500, 503))}
    assert searching["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/SearchAnswer"}
    (limit,) = described["get", "/v1/searchers"]["parameters"]
    assert limit.pop("schema") == {"type": "integer", "minimum": 1, "maximum": 100}
    assert limit == {"name": "limit", "in": "query", "required": False}


def test_examples_are_of_the_types_that_they_show(collection):
    endpoint = SearchEndpoint(Retriever(collection), None)
    metrics = Metrics(collection)
    operations = [*search_operations(endpoint, metrics, Access(None)), events_operation(endpoint)]
    operations += [*typing_operations(endpoint), bulk_operation(endpoint)]
    operations += document_operations(endpoint, Access(None)) + status_operations(endpoint, metrics, Access(None))
    operations.append(why_operation(endpoint, Access(None)))
    operations += model_operations(ServedModels(endpoint, Background(), None))
    for operation in operations:
        for kind, example in ((operation.takes, operation.example), (operation.gives, operation.shows)):
            assert example is not None or kind in (None, "text/plain"), operation.path
            if example is not None and kind is not bytes:
                assert msgspec.convert(msgspec.to_builtins(example), kind)


@pytest.mark.parametrize(
    ("body", "kind", "place"),
    [
        ({"expression": "(and text:john"}, "expression", {"offset": 0}),
        ({"expression": "(range cost :min 1)"}, "expression", {"offset": 0}),
        ({"limit": "x"}, "body", {}),
        ({"expression": "(nn people :k 2)", "vectors": {"people": [1]}}, "vector", {}),
        ({"expression": "text:john", "order_by": "cost"}, "option", {}),
    ],
)
def test_a_problem_says_of_which_kind_it_is_and_where(client, body, kind, place):
    problem = refused(client, **body)
    assert problem.pop("type") == f"urn:alicorn:problem:{kind}"
    assert problem.pop("title")
    assert problem.pop("detail")
    assert problem == {"status": 400} | place


def test_our_own_failure_shows_no_trace(client, monkeypatch):
    monkeypatch.setattr(Collection, "search", lambda *_, **__: 1 / 0)
    answer = client.post("/v1/search", json={"text": "john"})
    assert (answer.status_code, answer.json()) == (
        500,
        {
            "type": "about:blank",
            "title": "Internal Server Error",
            "status": 500,
            "detail": "the server failed on this request; its log says why",
        },
    )


def test_a_collection_written_elsewhere_is_followed_and_not_written(collection, monkeypatch, start):
    monkeypatch.setattr("alicorn.serving.processes.following.EVERY_S", 0.0)
    with Collection.open(collection.path, read_only=True) as reader:
        client = start(reader, [UNIFIED], searchers=SEARCHERS)
        assert search(client, expression="text:jane")["total"] == 1
        collection.delete(["p3"])
        assert search(client, expression="text:jane")["total"] == 0
        assert client.delete("/v1/documents/p1").status_code == 409
        assert client.get("/healthz").json()["read_only"] is True


def test_models_and_searchers_must_fit(collection, start):
    with pytest.raises(CollectionError, match="the collection has no embedding 'other'"):
        create_app(collection, [Model("other", personal=True)])
    with pytest.raises(TableError, match=r"'city' is missing"):
        create_app(collection, [UNIFIED], searchers=SEARCHERS.select(["searcher_id"]))
    with pytest.raises(TableError, match="the key of an earlier row again"):
        create_app(collection, [UNIFIED], searchers=pa.concat_tables([SEARCHERS, SEARCHERS]))
    without = start(collection, [UNIFIED])
    assert "needs a table of searchers" in refused(without, text="x", searcher="p3")["detail"]
    assert search(without, text="jane", searcher={"city": "Oslo"})["hits"][0]["doc_id"] == "p3"
