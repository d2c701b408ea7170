"""A key and a server say how much one request may ask for; more is refused before any work, and names the limit."""

import datetime

import pytest
from asgi_client import search
from served_people import SEARCHERS, TEXT, UNIFIED

from alicorn.errors import ConfigError
from alicorn.serving.security.keys import create_key, new_key
from alicorn.serving.security.request_limits import NO_LIMITS, RequestLimits, read_limits

NEAREST = {"vectors": {"people": [1, 0, 0, 0, 0, 0, 0, 0]}}


@pytest.fixture
def limited(collection, start):
    given = read_limits(["limit=5", "offset=9", "nodes=4", "k=3", "scan=100", "facets=1", "batch=2", "documents=2"])
    return start(collection, [UNIFIED, TEXT], searchers=SEARCHERS, limits=given)


def refused(client, path="/v1/search", **body):
    answer = client.post(path, json=body.get("items", body))
    assert answer.status_code == 400, answer.text
    return answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"expression": "text:john", "limit": 6}, "limit: at most 5 may be asked for here, got 6"),
        ({"text": "john", "limit": 6}, "limit: at most 5"),
        ({"expression": "text:john", "limit": 1, "offset": 10}, "offset: at most 9"),
        ({"expression": "(or a b c d)", "limit": 1}, "nodes: at most 4 may be asked for here, got 5"),
        ({"expression": "(nn people :k 4 :scan 10)", "limit": 1, **NEAREST}, "k: at most 3"),
        ({"expression": "(nn people :k 3 :scan 101)", "limit": 1, **NEAREST}, "scan: at most 100"),
        ({"expression": "(nn people :radius 1.0)", "limit": 1, **NEAREST}, "each nn needs :scan of at most 100"),
        ({"expression": "a", "limit": 1, "facets": {"x": {"prefix": "a"}, "y": {"prefix": "b"}}}, "facets: at most 1"),
    ],
)
def test_more_than_a_limit_is_refused_and_named(limited, body, detail):
    assert detail in refused(limited, **body)
    assert detail in refused(limited, "/v1/search/batch", searches=[{"expression": "x", "limit": 1}, body])


def test_what_is_within_the_limits_is_answered(limited):
    assert search(limited, expression="(nn people :k 3 :scan 100)", limit=5, **NEAREST)["total"] == 3
    assert search(limited, text="john", searcher="p3", limit=5)["total"] > 0


def test_batches_and_lists_are_limited(limited):
    assert "batch: at most 2" in refused(limited, "/v1/search/batch", searches=[{"expression": "x", "limit": 1}] * 3)
    documents = [{"doc_id": str(number), "terms": []} for number in range(3)]
    assert "documents: at most 2" in refused(limited, "/v1/documents", items=documents)
    assert limited.patch("/v1/documents", json=documents).status_code == 400


def test_the_lesser_limit_of_key_and_server_counts(collection, start, tmp_path):
    path, now = tmp_path / "keys.json", datetime.datetime.now(datetime.UTC)
    few = create_key(path, new_key("few", ["search"], now, limits=RequestLimits(limit=2, bytes=200)), now)
    many = create_key(path, new_key("many", ["search"], now, limits=RequestLimits(limit=900)), now)
    client = start(collection, keys=path, limits=RequestLimits(limit=5))
    for key, most in ((few, 2), (many, 5)):
        for limit in (most, most + 1):
            answer = client.post("/v1/search", json={"expression": "x", "limit": limit}, headers={"api-key": key})
            assert answer.status_code == (200 if limit == most else 400)
    long = {"expression": "x" * 300, "limit": 1}
    assert client.post("/v1/search", json=long, headers={"api-key": few}).status_code == 413
    assert client.post("/v1/search", json=long, headers={"api-key": many}).status_code == 200


def test_limits_are_read_from_texts():
    assert read_limits([]) == NO_LIMITS
    assert read_limits(["k=5", "scan=7"]) == RequestLimits(k=5, scan=7)
    for wrong in ("k", "k=", "k=-1", "k=x", "depth=3", "k=²"):
        with pytest.raises(ConfigError, match="a limit is NAME=COUNT, of limit, offset"):
            read_limits([wrong])
