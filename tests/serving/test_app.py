"""The routes, over a real collection: what they answer, what they refuse, and with which status."""

import contextlib
import datetime
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml
from asgi_client import Client
from served_people import DOCUMENTS, SEARCHERS, TEXT, UNIFIED, Model, make_collection

from alicorn.errors import CollectionError, ConfigError, TableError
from alicorn.feedback import ServedLog
from alicorn.publishing.documents import indexed
from alicorn.query import Collection
from alicorn.serving import create_app
from alicorn.serving.messages import MAX_DOCUMENTS, MAX_LIMIT, MAX_TEXT
from alicorn.vertical import Selection


@pytest.fixture
def collection(tmp_path):
    with make_collection(tmp_path / "collection") as opened:
        yield opened


@pytest.fixture
def start():
    """Makes an app as create_app does, starts it, and shuts it down when the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(Client(create_app(*arguments, **options)))


@pytest.fixture
def client(collection, tmp_path, start):
    with ServedLog(tmp_path / "served") as log:
        yield start(collection, [TEXT, UNIFIED], searchers=SEARCHERS, served_log=log)


def search(client, **request):
    answer = client.post("/v1/search", json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(client, status=400, path="/v1/search", **request):
    answer = client.post(path, json=request)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def ids(answer):
    return [hit["doc_id"] for hit in answer["hits"]]


def test_an_expression_is_answered_with_hits_and_why_they_matched(client):
    answer = search(client, expression="(or text:jane (and text:john city:oslo (prefix text:smi)))", limit=5)
    assert ids(answer) == ["p1", "p3"]
    assert answer["total"] == 2
    assert answer["hits"][0]["why"] == {
        "terms": ["text:john", "text:smith", "city:oslo"],
        "cosine": {},
        "approximate": None,
        "in_common": {},
    }
    stored = {"name": "John Smith", "city": "Oslo", "year": 1990, "friends": ["p2", "p3"], "static_rank": 4.0}
    assert answer["hits"][0]["stored"] == stored
    assert answer["hits"][0]["score"] == 4.0
    assert 0 < answer["search_ms"] <= answer["took_ms"]
    assert answer["session_id"] is None


def test_an_expression_brings_its_vectors(client):
    vector = UNIFIED.encode_requests(pa.table({"query": ["jane"], "city": ["Oslo"]}))[0].tolist()
    answer = search(client, expression="(nn people :k 1 :vector mine)", vectors={"mine": vector})
    assert ids(answer) == ["p3"]
    why = answer["hits"][0]["why"]
    assert why["cosine"]["mine"] == pytest.approx(answer["hits"][0]["score"], abs=1e-6)
    assert why["approximate"] is False


def test_a_limit_cuts_the_hits_and_not_the_total(client):
    assert (len(search(client, expression="text:john", limit=0)["hits"]), MAX_LIMIT) == (0, 1000)
    answer = search(client, expression="text:john", limit=2)
    assert (ids(answer), answer["total"]) == (["p1", "p2"], 3)


@pytest.mark.parametrize(
    ("mode", "expression", "found"),
    [
        ("boolean", "(and text:john text:smyth)", {"p2"}),
        ("embedding", "(nn people :k 100 :nprobe 16)", {"p1", "p2", "p3", "p/4"}),
        ("hybrid", "(or (and text:john text:smyth) (nn people :k 100 :nprobe 16))", {"p1", "p2", "p3", "p/4"}),
        (None, "(or (and text:john text:smyth) (nn people :k 100 :nprobe 16))", {"p1", "p2", "p3", "p/4"}),
    ],
)
def test_a_text_becomes_the_verticals_expression(client, mode, expression, found):
    answer = search(client, text="John SMYTH", mode=mode)
    assert (answer["expression"], set(ids(answer))) == (expression, found)


def test_the_searcher_decides_among_people_of_one_name(client):
    oslo = search(client, text="john smith", searcher="p3", limit=1)
    assert (ids(oslo), oslo["hits"][0]["why"]["in_common"]) == (["p1"], {"city": "Oslo"})
    bergen = search(client, text="john smith", searcher={"city": "Bergen"}, limit=2)
    assert set(ids(bergen)) == {"p2", "p/4"}
    assert bergen["hits"][0]["why"]["in_common"] == {"city": "Bergen"}


def test_friends_in_common_are_named_where_the_searcher_is_a_document(collection, start):
    log_free = start(collection, [UNIFIED], searchers=SEARCHERS)
    hits = {hit["doc_id"]: hit["why"]["in_common"] for hit in search(log_free, text="x", searcher="p2")["hits"]}
    assert hits["p3"] == {"friends": ["p1"]}
    assert hits["p/4"] == {"city": "Bergen"}


def test_mode_embedding_takes_any_key_that_has_a_model(client):
    by_text = search(client, text="john smith", searcher="p3", mode="embedding", key="people-text")
    assert by_text["expression"] == "(nn people-text :k 100 :nprobe 16)"
    scores = {hit["doc_id"]: hit["score"] for hit in by_text["hits"]}
    assert scores["p1"] == scores["p2"] == scores["p/4"]  # the text alone cannot tell them apart
    assert by_text["hits"][0]["why"]["approximate"] is False  # 16 clusters of the one there is
    assert "no model encodes 'nothing'" in refused(client, text="x", mode="embedding", key="nothing")["error"]


def test_an_expression_beside_a_text_gets_its_vectors_from_the_models(client):
    answer = search(client, expression="(and city:oslo (nn people-text :k 4))", text="jane doe", explain=True)
    assert ids(answer) == ["p3", "p1"]
    assert answer["notices"]
    assert answer["explanation"]["expression"].startswith("(and")


def test_a_hit_says_whether_clusters_were_left_out(tmp_path, start):
    with Collection.create(tmp_path / "many", {"clip": 4}) as many:
        vectors = np.random.default_rng(0).normal(size=(20_000, 4)).astype(np.float32)
        doc_ids = [f"d{i}" for i in range(len(vectors))]
        many.upsert(pa.table({"doc_id": doc_ids, "embedding:clip": list(vectors)}))
        many.train()
        num_clusters = many.snapshot().quantizers["clip"].coarse.num_clusters
        assert num_clusters > 1
        client = start(many)
        for nprobe, approximate in ((1, True), (num_clusters, False)):
            expression = f"(nn clip :k 1 :nprobe {nprobe})"
            (hit,) = search(client, expression=expression, vectors={"clip": [1, 0, 0, 0]})["hits"]
            assert hit["why"]["approximate"] is approximate


def test_order_by_is_passed_on(client):
    assert ids(search(client, expression="text:john", order_by={"bm25": 1, "static_rank": -1}))[0] == "p/4"
    assert "order_by: allowed are" in refused(client, expression="text:john", order_by="cost")["error"]


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        ({}, "give an expression, or a text"),
        ({"expression": "(and a", "limit": 3}, "offset 0: this parenthesis is never closed"),
        ({"expression": "(nn people :k 3)"}, "needs the request's vector 'people'"),
        (
            {"expression": "(nn people :k 3)", "vectors": {"people": [1, 2]}},
            "'people' has 8 dimensions, got 2",
        ),
        ({"expression": "(nn people :k 3)", "vectors": {"people": [0] * 8}}, "is zero"),
        ({"expression": "(nn people :k 3)", "vectors": {"people": ["a"]}}, "Expected `float`, got `str`"),
        ({"expression": "a", "mode": "boolean"}, "leave them out beside an expression"),
        ({"expression": "a", "searcher": "p3"}, "a searcher belongs to a text"),
        ({"text": "a", "mode": "magic"}, "Invalid enum value 'magic' - at `$.mode`"),
        ({"text": "a", "mode": "boolean", "key": "people"}, "mode boolean has none: leave it out"),
        ({"text": "a", "searcher": "p99"}, "searcher 'p99' is not in the table of searchers"),
        ({"text": "a", "searcher": {"ctiy": "Oslo"}}, "unknown column 'ctiy'; did you mean 'city'?"),
        ({"text": "a", "searcher": {"city": 7}}, "searcher, column 'city', row 0: '7' is no string"),
        ({"text": "a" * (MAX_TEXT + 1)}, "length <= 1000"),
        ({"text": "a", "limit": MAX_LIMIT + 1}, "<= 1000"),
        ({"text": "a", "limit": -1}, ">= 0"),
        ({"text": "a", "limit": 1.5}, "Expected `int`, got `float` - at `$.limit`"),
        ({"text": "a", "limt": 5}, "unknown field `limt`"),
    ],
)
def test_a_mistake_is_a_400_that_says_what_to_do(client, request_body, message):
    answer = refused(client, **request_body)
    assert message in answer["error"]
    assert ("offset" in answer) == answer["error"].startswith("offset")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b'{"text": "\\ud800"}', b"[" * 100_000, b'{"text": NaN}']
)
def test_a_body_that_is_no_json_object_is_a_400(client, body):
    answer = client.post("/v1/search", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("the body is")


def test_a_body_must_call_itself_json_and_has_a_largest_size(client):
    assert client.post("/v1/search", content=b'{"text": "a"}').status_code == 415
    typed = {"content-type": "application/json; charset=utf-8"}
    assert client.post("/v1/search", content=b'{"text": "a"}', headers=typed).status_code == 200
    assert client.post("/v1/search", content=b" " * (5 << 20), headers=typed).status_code == 413


def test_documents_are_added_read_replaced_and_deleted(client, collection):
    body = [
        {"doc_id": "p5", "columns": {"name": "Ann Lee", "city": "Oslo", "popularity": 9, "friends": ["p1"]}},
        {"doc_id": "p1", "columns": {"name": "John Smithe", "year": 1999}},
    ]
    assert client.post("/v1/documents", json=body).json() == {"upserted": 2, "left_out": 0}
    assert client.get("/v1/documents/p1").json() == {
        "doc_id": "p1",
        "terms": ["text:john", "text:smithe"],
        "static_rank": 0.0,
        "name": "John Smithe",
        "city": None,
        "year": 1999,
        "friends": None,
    }
    assert ids(search(client, text="ann lee", searcher="p3", limit=1)) == ["p5"]
    assert client.get("/v1/documents/p/4").json()["year"] == 1993
    assert client.delete("/v1/documents/p/4").json() == {"deleted": 1, "unknown": 0}
    assert client.delete("/v1/documents/p/4").json() == {"deleted": 0, "unknown": 1}
    missing = client.get("/v1/documents/p/4")
    assert (missing.status_code, missing.json()) == (404, {"error": "no document 'p/4'"})
    assert len(collection) == 4


def test_documents_may_bring_their_terms_and_vectors(tmp_path, start):
    with Collection.create(tmp_path / "plain", {"clip": 2}) as collection:
        client = start(collection)
        body = [
            {"doc_id": "a", "terms": ["tag:red"], "embeddings": {"clip": [3, 0]}, "columns": {"price": 5, "at": "x"}},
            {"doc_id": "b", "terms": ["tag:red"], "static_rank": 2.5, "columns": {"price": 7}},
            {"doc_id": "c"},
        ]
        assert client.post("/v1/documents", json=body).json() == {"upserted": 3, "left_out": 0}
        answer = search(client, expression="(and tag:red (range price :min 6))")
        assert [(hit["doc_id"], hit["score"]) for hit in answer["hits"]] == [("b", 2.5)]
        assert ids(search(client, expression="(nn clip :radius 0.1)", vectors={"clip": [1, 0]})) == ["a"]
        assert "a text is encoded by a model" in refused(client, text="red")["error"]
        assert client.get("/v1/searchers").json() == {"total": 0, "searchers": []}
        assert client.get("/v1/about").json()["columns"] == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"doc_id": ""}, "doc_id"),
        ({"doc_id": "x", "columns": {"nmae": "Ann"}}, "unknown column 'nmae'; did you mean 'name'?"),
        ({"doc_id": "x", "columns": {"name": 5.5}}, "documents, column 'name', row 0: '5.5' is no string"),
        ({"doc_id": "x", "columns": {"year": "MCM"}}, "documents, column 'year', row 0: 'MCM' is no int64"),
        ({"doc_id": "x", "static_rank": 3}, "static rank from column 'popularity'"),
        ({"doc_id": "x", "terms": ["a"], "columns": {"terms": "b"}}, "'terms' is no stored column"),
        ({"doc_id": "x", "terms": ["a"], "columns": {"year": "x"}}, "is no int64"),
        ({"doc_id": "x", "terms": ["a", ""]}, "term"),
        ({"doc_id": "x", "embeddings": {"people": [1, 2]}}, "8"),
        ({"doc_id": "x", "embeddings": {"poeple": [1, 2]}}, "people"),
        ({"doc_id": 5}, "Expected `str`, got `int` - at `$[0].doc_id`"),
        ({"name": "Ann"}, "unknown field `name`"),
    ],
)
def test_a_wrong_document_is_refused_and_nothing_is_written(client, collection, document, message):
    before = collection.snapshot()
    answer = client.post("/v1/documents", json=[document])
    assert answer.status_code == 400, answer.text
    assert message in answer.json()["error"]
    assert collection.snapshot() is before


def test_lists_of_documents_are_of_one_kind_and_bounded(client):
    mixed = [{"doc_id": "x", "columns": {"name": "A"}}, {"doc_id": "y", "terms": ["a"]}]
    assert "row 1: it brings its terms" in client.post("/v1/documents", json=mixed).json()["error"]
    many = [{"doc_id": "x"}] * (MAX_DOCUMENTS + 1)
    assert "length <= 10000" in client.post("/v1/documents", json=many).json()["error"]
    assert client.post("/v1/documents", json=[]).json() == {"upserted": 0, "left_out": 0}


def test_served_searches_and_clicks_are_logged_when_the_app_shuts_down(collection, tmp_path):
    log = ServedLog(tmp_path / "served")
    with log, Client(create_app(collection, [UNIFIED], searchers=SEARCHERS, served_log=log)) as client:
        session = search(client, text="john smith", searcher="p3", limit=2, mode="boolean")["session_id"]
        for doc_id, recorded in (("p1", True), ("p3", False)):
            answer = client.post("/v1/clicks", json={"session_id": session, "doc_id": doc_id})
            assert answer.json() == {"recorded": recorded}
        assert search(client, text="nobody", mode="boolean")["session_id"] is not None
        assert search(client, text="john", limit=0)["session_id"] is None
    table = pa.parquet.read_table(tmp_path / "served" / "impressions")
    rows = [(r["searcher_id"], r["query"], r["doc_id"], r["clicked"], r["source"]) for r in table.to_pylist()]
    assert rows == [
        ("p3", "john smith", "p1", True, "boolean"),
        ("p3", "john smith", "p/4", False, "boolean"),
        (None, "nobody", None, False, "boolean"),
    ]
    assert abs(table["time"][0].as_py() - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)).seconds < 60


def test_a_log_that_cannot_be_written_is_a_notice_and_no_failure(client, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ServedLog, "search", full)
    assert search(client, text="john")["notices"] == ["this search is not in the served log: No space left on device"]


def test_without_a_log_there_are_no_sessions_and_clicks_are_refused(collection, start):
    client = start(collection, [UNIFIED], searchers=SEARCHERS)
    assert search(client, text="john")["session_id"] is None
    assert "keeps no log" in refused(client, path="/v1/clicks", session_id="a", doc_id="b")["error"]


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
    assert "query.limit" in client.get("/v1/searchers?limit=x").json()["error"]


def test_about_names_the_columns_of_the_page(client, collection, start):
    about = client.get("/v1/about").json()
    assert [(column["mode"], column["key"]) for column in about["columns"]] == [
        ("boolean", ""),
        ("embedding", "people-text"),
        ("hybrid", "people"),
    ]
    assert (about["documents"], about["searcher_columns"], about["logs_clicks"]) == (4, ["city"], True)
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
    body = described["paths"]["/v1/search"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"expression", "text", "searcher", "limit"} <= set(body["properties"])
    assert "$ref" not in str(body)


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
    assert set(answer.json()) == {"error"}


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
        ("GET", "/v1/documents", {"POST"}),
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
    assert len(described) == 9
    assert len({found["operationId"] for found in described.values()}) == 9
    for (method, path), found in described.items():
        assert ("requestBody" in found) == (method == "post")
        assert [p["name"] for p in found.get("parameters", []) if p["in"] == "path"] == re.findall(r"{(\w+)}", path)
        for status, answer in found["responses"].items():
            (schema,) = (content["schema"] for content in answer["content"].values())
            assert status == "200" or set(schema["properties"]) == {"error", "offset"}
    searching = described["post", "/v1/search"]["responses"]
    assert set(searching) == {"200", "400", "409", "413", "415", "500"}
    assert {"hits", "total", "notices"} <= set(searching["200"]["content"]["application/json"]["schema"]["properties"])
    (limit,) = described["get", "/v1/searchers"]["parameters"]
    assert limit == {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}}


def test_our_own_failure_shows_no_trace(client, monkeypatch):
    monkeypatch.setattr(Collection, "search", lambda *_, **__: 1 / 0)
    answer = client.post("/v1/search", json={"text": "john"})
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "the server failed on this request; its log says why"},
    )


def test_a_collection_written_elsewhere_is_followed_and_not_written(collection, monkeypatch, start):
    monkeypatch.setattr("alicorn.serving.search_endpoint._REFRESH_S", 0.0)
    with Collection.open(collection.path, read_only=True) as reader:
        client = start(reader, [UNIFIED], searchers=SEARCHERS)
        assert search(client, expression="text:jane")["total"] == 1
        collection.delete(["p3"])
        assert search(client, expression="text:jane")["total"] == 0
        assert client.delete("/v1/documents/p1").status_code == 409
        assert client.get("/healthz").json()["read_only"] is True


def test_a_hit_is_shown_as_it_was_when_it_was_scored(client, collection, monkeypatch):
    """A document that comes and goes while a request is answered, and one that is replaced meanwhile."""
    whole = Collection.search

    def jane(doc_id, city):
        row = DOCUMENTS.slice(2, 1).set_column(0, "doc_id", [[doc_id]]).set_column(2, "city", [[city]])
        return indexed(row, (TEXT, UNIFIED), datetime.datetime.now(datetime.UTC)).documents

    def search_while_others_write(self, *arguments):
        self.upsert(jane("fleeting", "Bergen"))
        result = whole(self, *arguments)
        self.delete(["fleeting"])
        self.upsert(jane("p3", "Bergen"))
        return result

    monkeypatch.setattr(Collection, "search", search_while_others_write)
    answer = search(client, expression="(or (and text:jane city:oslo) (and text:jane city:bergen))")
    shown = {hit["doc_id"]: (hit["stored"]["city"], hit["why"]["terms"]) for hit in answer["hits"]}
    assert shown == {
        "fleeting": ("Bergen", ["text:jane", "city:bergen"]),
        "p3": ("Oslo", ["text:jane", "city:oslo"]),
    }


def test_models_and_searchers_must_fit(collection, start):
    with pytest.raises(CollectionError, match="the collection has no embedding 'other'"):
        create_app(collection, [Model("other", personal=True)])
    with pytest.raises(TableError, match=r"'city' .* is missing"):
        create_app(collection, [UNIFIED], searchers=SEARCHERS.select(["searcher_id"]))
    with pytest.raises(TableError, match="the key of an earlier row again"):
        create_app(collection, [UNIFIED], searchers=pa.concat_tables([SEARCHERS, SEARCHERS]))
    without = start(collection, [UNIFIED])
    assert "needs a table of searchers" in refused(without, text="x", searcher="p3")["error"]
    assert search(without, text="jane", searcher={"city": "Oslo"})["hits"][0]["doc_id"] == "p3"


def test_thousands_of_hostile_bodies_get_an_answer_below_500(client):
    rng = np.random.default_rng(2)
    pieces = [b'{"text":', b'"john"', b'"(nn people :k 3)"', b',"expression":', b"null", b"{", b"}", b"[", b"1e999"]
    pieces += [b',"limit":', b"-1", b'"\xff"', b',"vectors":{"people":[1]}', b',"searcher":', b'"p3"', b"{}"]
    for _ in range(1500):
        body = b"".join(pieces[i] for i in rng.integers(0, len(pieces), rng.integers(1, 8))) + b"}"
        answer = client.post("/v1/search", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (200, 400)


SELECTIVE = "{documents: [{kind: range, column: year, min: 1990}], requests: [{kind: short, characters: 3}]}"


def selective(selection):
    """The two models, serving a vertical with these rules."""
    rules = Selection.model_validate(yaml.safe_load(selection))
    with_rules = UNIFIED.vertical.model_copy(update={"selection": rules})
    models = [Model(model.key, model.personal) for model in (UNIFIED, TEXT)]
    for model in models:
        model.vertical = with_rules
    return models


def test_a_document_that_the_selection_leaves_out_is_not_indexed_and_removed(collection, start):
    client = start(collection, selective(SELECTIVE), searchers=SEARCHERS)
    columns = {"name": "John Smith", "city": "Oslo"}
    body = [
        {"doc_id": "p1", "columns": {**columns, "year": 1980}},
        {"doc_id": "new", "columns": {**columns, "year": 1995}},
        {"doc_id": "unknown", "columns": columns},
    ]
    assert client.post("/v1/documents", json=body).json() == {"upserted": 1, "left_out": 2}
    assert client.get("/v1/documents/p1").status_code == 404
    assert client.get("/v1/documents/new").status_code == 200


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"doc_id": ""}, "row 1: is empty"),
        ({"doc_id": "p1"}, "the id of an earlier row again; first bad row 1 "),
        ({"columns": {"name": "A", "city": 7, "year": 1995}}, "column 'city', row 1: '7' is no string"),
    ],
)
def test_a_refused_body_deletes_nothing_and_its_rows_are_those_of_the_body(collection, start, bad, message):
    client = start(collection, selective(SELECTIVE), searchers=SEARCHERS)
    columns = {"name": "John Smith", "city": "Oslo"}
    left_out = {"doc_id": "p1", "columns": {**columns, "year": 1980}}
    answer = client.post("/v1/documents", json=[left_out, {"doc_id": "x", "columns": {**columns, "year": 1995}, **bad}])
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert client.get("/v1/documents/p1").json()["year"] == 1990


def test_a_request_rule_makes_a_text_boolean_and_is_told_and_counted(collection, start):
    client = start(collection, selective(SELECTIVE), searchers=SEARCHERS)
    answer = search(client, text="jo", searcher="p3", order_by={"nn": 1.0, "bm25": 0.1})
    assert answer["expression"] == "(and text:jo)"
    assert answer["without_nn"] == "fewer than 3 characters"
    assert answer["notices"] == ["answered without nn: the search is fewer than 3 characters"]
    assert search(client, text="jo", mode="embedding")["without_nn"] is None
    assert "(nn people" in search(client, text="john")["expression"]
    assert search(client, text="john")["without_nn"] is None
    counted = 'alicorn_searches_without_nn_total{rule="fewer than 3 characters"} 1.0'
    assert counted in client.get("/metrics").text


def test_an_easy_repeat_is_answered_without_nn(collection, tmp_path, start):
    """Once the searcher has chosen what words alone find; not for others, and not for what only nn finds."""
    models = selective("{requests: [{kind: repeat, days: 30}]}")
    with pytest.raises(ConfigError, match="--served-log"):
        create_app(collection, models, searchers=SEARCHERS)
    with ServedLog(tmp_path / "served") as log:
        client = start(collection, models, searchers=SEARCHERS, served_log=log)

        def choose(text, doc_id):
            answer = search(client, text=text, searcher="p3")
            assert answer["without_nn"] is None
            assert doc_id in ids(answer)
            body = {"session_id": answer["session_id"], "doc_id": doc_id}
            assert client.post("/v1/clicks", json=body).json() == {"recorded": True}

        choose("john smith", "p1")
        repeated = search(client, text="John Smith", searcher="p3")
        assert repeated["without_nn"] == "repeated within 30 days"
        assert ids(repeated) == ["p1", "p/4"]
        assert search(client, text="john smith", searcher="p2")["without_nn"] is None, "another searcher"
        assert search(client, text="john", searcher="p3")["without_nn"] is None, "other words"
        choose("jane smith", "p3")  # no document has both words
        assert search(client, text="jane smith", searcher="p3")["without_nn"] is None, "only nn finds it"
    with ServedLog(tmp_path / "served") as log:
        client = start(collection, models, searchers=SEARCHERS, served_log=log)
        assert search(client, text="john smith", searcher="p3")["without_nn"], "the log outlives the server"
