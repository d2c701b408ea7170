"""Every operation of the description, with no key, a wrong one, an expired one, and one of each scope."""

import datetime
import logging

import pytest
from asgi_client import ids, search
from served_people import SEARCHERS, TEXT, UNIFIED

from alicorn.feedback import ServedLog
from alicorn.serving.security.keys import KEY_SCOPES, create_key, new_key, revoke_key

NOW = datetime.datetime.now(datetime.UTC)
OPEN = {"/healthz", "/livez", "/readyz"}


class Served:
    """A served collection with a file of keys."""

    def __init__(self, client, path):
        self.client = client
        self.path = path

    def key(self, *scopes, name="k", **rights):
        """Headers with a new key."""
        now = datetime.datetime.now(datetime.UTC)
        return {"api-key": create_key(self.path, new_key(name, scopes, now, **rights), now)}


@pytest.fixture
def served(collection, tmp_path, start, monkeypatch):
    monkeypatch.setattr("alicorn.serving.security.access._REREAD_S", 0.0)
    path = tmp_path / "keys.json"
    create_key(path, new_key("first", ["admin"], NOW), NOW)
    with ServedLog(tmp_path / "served") as log:
        yield Served(start(collection, [TEXT, UNIFIED], searchers=SEARCHERS, served_log=log, keys=path), path)


def operations(client):
    """(method, path, example of a body or None, scope or None) of every operation."""
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, found in methods.items():
            content = found.get("requestBody", {}).get("content", {})
            body = content.get("application/json", {}).get("example")
            scope = found["security"][0]["bearer"][0] if "security" in found else None
            yield method.upper(), path.replace("{doc_id}", "p1"), body, scope


def test_every_operation_asks_for_its_scope_and_no_other_key_will_do(served):
    keys = {scope: served.key(scope, name=scope) for scope in KEY_SCOPES}
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    every = {
        "none": {},
        "wrong": {"api-key": "alicorn_" + "A" * 43},
        "empty": {"authorization": "Bearer "},
        "expired": served.key(*KEY_SCOPES, name="expired", expires=past),
    }
    seen = set()
    for method, path, body, scope in operations(served.client):
        assert (scope is None) == (path in OPEN)
        seen.add(scope)
        for name, headers in every.items():
            status = served.client.request(method, path, json=body, headers=headers).status_code
            assert (status == 401) == (scope is not None), f"{method} {path} with {name}"
        for held, headers in keys.items():
            status = served.client.request(method, path, json=body, headers=headers).status_code
            assert status != 401
            assert (status == 403) == (scope not in (None, held)), f"{method} {path} with {held}: {status}"
    assert seen >= {None, "search", "write", "events", "admin"}


def test_a_key_comes_as_a_bearer_token_too(served):
    secret = served.key("search")["api-key"]
    for headers in ({"authorization": f"Bearer {secret}"}, {"Authorization": f"bearer  {secret}"}):
        assert served.client.get("/v1/about", headers=headers).status_code == 200
    refused = served.client.get("/v1/about", headers={"authorization": f"Basic {secret}"})
    assert refused.headers["www-authenticate"] == "Bearer"


def test_a_revoked_key_is_refused_when_the_file_is_read_again(served):
    headers = served.key("search")
    assert served.client.get("/v1/about", headers=headers).status_code == 200
    revoke_key(served.path, "k", datetime.datetime.now(datetime.UTC))
    assert served.client.get("/v1/about", headers=headers).status_code == 401


def test_keys_stay_as_they_were_where_their_file_breaks(served, caplog):
    headers = served.key("search")
    assert served.client.get("/v1/about", headers=headers).status_code == 200
    served.path.write_text("{")
    assert served.client.get("/v1/about", headers=headers).status_code == 200
    assert "the keys stay as they were" in caplog.text


def test_a_key_has_a_rate(served):
    headers = served.key("search", per_second=2)
    statuses = [served.client.get("/v1/about", headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in statuses] == [200, 200, 429, 429]
    assert statuses[-1].headers["retry-after"] == "1"


def test_a_batch_costs_as_many_requests_as_it_has_searches(served):
    headers = served.key("search", per_second=4)
    batch = {"searches": [{"expression": "text:john"}] * 3}
    assert served.client.post("/v1/search/batch", json=batch, headers=headers).status_code == 200
    assert served.client.post("/v1/search/batch", json=batch, headers=headers).status_code == 429


@pytest.mark.parametrize("has_keys", [False, True])
def test_all_together_have_a_rate_but_for_administrators(collection, tmp_path, start, has_keys, caplog):
    path = tmp_path / "keys.json"
    headers = []
    for name in ("first", "second"):
        key = create_key(path, new_key(name, ["search", "admin"], NOW, per_second=3), NOW)
        headers.append({"api-key": key} if has_keys else {})
    client = start(collection, keys=path if has_keys else None, per_second=4)
    answers = [client.get("/v1/about", headers=headers[number % 2]) for number in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].json()["detail"] == "all together may ask 4 times a second"
    batch = {"searches": [{"expression": "text:john"}] * 3}
    assert client.post("/v1/search/batch", json=batch, headers=headers[0]).status_code == 429
    assert client.get("/metrics", headers=headers[0]).status_code == 200
    assert client.get("/healthz").status_code == 200
    assert "429, GET /v1/about" in caplog.text


def test_denials_are_logged_without_secrets_and_without_what_was_asked(served, caplog):
    headers = served.key("events", name="shop")
    with caplog.at_level(logging.INFO):
        served.client.post("/v1/search", json={"text": "a private matter"}, headers=headers)
        served.client.post("/v1/search", json={"text": "a private matter"}, headers={"api-key": "alicorn_secret"})
    denied = [
        record.getMessage() for record in caplog.records if record.name == "alicorn.audit" and "denied" in record.msg
    ]
    assert "denied: status 403, POST /v1/search, key shop" in denied[0]
    assert "denied: status 401, POST /v1/search, key ?" in denied[1]
    assert "private" not in caplog.text
    assert headers["api-key"] not in caplog.text
    assert "alicorn_secret" not in caplog.text


def test_pages_of_an_origin_may_use_its_key_and_others_may_not(served):
    origin = "https://shop.example"
    headers = served.key("search", "events", origins=[origin])
    asks = {"origin": origin, "access-control-request-method": "POST"}
    preflight = served.client.request("OPTIONS", "/v1/search", headers=asks)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == origin
    assert "api-key" in preflight.headers["access-control-allow-headers"]
    answer = served.client.post("/v1/search", json={"expression": "text:john"}, headers=headers | {"origin": origin})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
    for other in ({}, {"origin": "https://evil.example"}):
        answer = served.client.post("/v1/search", json={"expression": "text:john"}, headers=headers | other)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    evil = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in served.client.request("OPTIONS", "/v1/search", headers=evil).headers


def test_what_is_open_says_nothing_of_the_documents(served):
    assert served.client.get("/healthz").json() == {"status": "ok"}


def test_a_key_of_some_documents_sees_no_other_by_any_operation(served):
    """p1 and p3 are in Oslo, p2 and p/4 in Bergen."""
    key = served.key("search", "events", only="city:oslo")

    def post(**body):
        answer = served.client.post("/v1/search", json=body, headers=key)
        assert answer.status_code == 200, answer.text
        return answer.json()

    everything = "(or text:john text:jane (prefix city:))"
    assert sorted(ids(post(expression=everything))) == ["p1", "p3"]
    near = "; near to it: 'text:smith', as (fuzzy text:smyth) finds"  # p1 is in Oslo
    for hidden, told in (("text:smyth", near), ("city:bergen", "")):  # answered as what is in no document
        answer, nothing = post(expression=hidden), post(expression="text:nothing")
        assert answer["notices"] == [f"no document has '{hidden}'{told}"]
        differing = {name for name in answer if answer[name] != nothing[name]}
        assert differing <= {"took_ms", "search_ms", "expression", "notices"}
    assert ids(post(expression="(extract friends text:smyth)")) == []  # p2 is hidden, and so is whom it knows
    assert ids(post(text="john smyth", mode="embedding", limit=10)) == ["p1", "p3"]
    assert ids(post(text="john smyth", searcher="p2", mode="hybrid", why=True, highlight=True)) == ["p1", "p3"]
    counted = post(expression=everything, facets={"c": {"prefix": "city:"}})["facets"]["c"]["buckets"]
    assert counted == [{"value": "oslo", "count": 2}]
    suggested = served.client.get("/v1/suggest?begins=city:", headers=key).json()["suggestions"]
    assert suggested == [{"term": "city:oslo", "count": 2}]
    batch = {"searches": [{"expression": everything}, {"expression": "text:smyth"}]}
    answers = served.client.post("/v1/search/batch", json=batch, headers=key).json()["answers"]
    assert [answer["answer"]["total"] for answer in answers] == [2, 0]
    assert served.client.get("/v1/documents/p1", headers=key).status_code == 200
    hidden, missing = (served.client.get(f"/v1/documents/{doc_id}", headers=key) for doc_id in ("p2", "nobody"))
    assert hidden.json() == missing.json() | {"detail": "no document 'p2'"}
    assert served.client.get("/v1/about", headers=key).json()["documents"] == 2
    labels = {
        one["searcher_id"]: one["label"] for one in served.client.get("/v1/searchers", headers=key).json()["searchers"]
    }
    assert labels == {"p3": "Jane Doe, Oslo"}  # p2 is a document that is hidden
    explained = served.client.post("/v1/search", json={"expression": "text:john", "explain": True}, headers=key)
    assert explained.status_code == 400
    assert explained.json()["type"] == "urn:alicorn:problem:option"


def test_an_operation_that_does_not_say_that_it_sees_a_part_is_refused_to_such_a_key(served):
    key = served.key("search", "events", "rate", only="city:oslo")
    for method, path, body, scope in operations(served.client):
        if scope in ("write", "admin"):
            assert served.client.request(method, path, json=body, headers=key).status_code == 403


def test_without_a_file_everybody_may_ask_everything(client):
    assert search(client, text="john")["total"] > 0
    assert client.get("/metrics").status_code == 200


def test_without_keys_pages_of_other_sites_are_refused(client, caplog):
    """A page may send text without asking first: events, for one."""
    sent = '[{"action": "click", "event_id": "e1", "doc_id": "p1", "time": "2026-01-01T00:00:00Z"}]'
    of_another_site = {"content-type": "text/plain", "sec-fetch-site": "cross-site"}
    assert client.post("/v1/events", content=sent, headers=of_another_site).status_code == 403
    assert "make a key for its origin" in caplog.text
    assert client.get("/v1/about", headers=of_another_site).status_code == 200
    own = client.post("/v1/search", json={"expression": "(or)"}, headers={"sec-fetch-site": "same-origin"})
    assert own.status_code == 200


def test_what_an_administrator_does_is_in_the_audit_log(served, caplog):
    """With who did it and what became of it; what was only read is not."""
    caplog.set_level(logging.WARNING, "alicorn.audit")
    admin = served.key("admin", name="ops")
    served.client.get("/v1/models", headers=admin)
    served.client.post("/v1/models/people-text/shadow", json={"share": 0.5}, headers=admin)
    lines = [record.getMessage() for record in caplog.records if "done:" in record.getMessage()]
    (line,) = lines
    assert line.startswith("done: status 200, POST /v1/models/people-text/shadow, key ops ")
    assert admin["api-key"] not in line
