"""The client asks what the server describes, tries again what may be, and says what was refused."""

import asyncio
import json
import subprocess
import sys

import httpx
import pytest
from served_people import SEARCHERS, TEXT, UNIFIED, make_collection

from alicorn.client import ApiError, AsyncClient, Client
from alicorn.client.tries import MOST_UNOPENED, ApiCall, Tries
from alicorn.errors import AlicornError, ConfigError, DeadlineError
from alicorn.feedback import ServedLog
from alicorn.serving import create_app

NO_HIT = {"hits": [], "total": 0}


def test_it_needs_httpx_alone():
    program = "import alicorn.client, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"numba", "torch", "pyarrow", "numpy", "pydantic", "msgspec", "starlette"}


@pytest.fixture
def app(tmp_path):
    with make_collection(tmp_path / "c") as collection, ServedLog(tmp_path / "served") as log:
        yield create_app(collection, [UNIFIED, TEXT], searchers=SEARCHERS, served_log=log)


def test_operations_of_a_server(app):
    async def asked():
        async with AsyncClient("http://test", transport=httpx.ASGITransport(app)) as client:
            found = await client.search(text="john", searcher="p3", limit=1, mode="boolean")
            assert [hit["doc_id"] for hit in found["hits"]] == ["p1"]
            assert (await client.suggest(begins="text:jo"))["suggestions"][0]["term"] == "text:john"
            assert (await client.get_document("p/4"))["name"] == "John Smith"
            event = {"action": "click", "search_id": found["search_id"], "doc_id": "p1", "event_id": "e"}
            assert await client.events([event]) is None
            document = {"doc_id": "a/b?c#d%20", "terms": ["text:x"], "columns": {}}
            assert (await client.upsert_documents([document]))["upserted"] == 1
            assert (await client.get_document("a/b?c#d%20"))["terms"] == ["text:x"]
            assert (await client.delete_document("a/b?c#d%20")) == {"deleted": 1, "unknown": 0}
            lines = b'{"doc_id": "n", "terms": []}\n{"doc_id": ""}'
            written = await client.bulk_documents(lines, action="upsert")
            assert (written["written"], written["failed"], written["errors"][0]["row"]) == (1, 1, 1)
            assert "alicorn_documents 5.0" in await client.metrics_text()
            assert [model["key"] for model in (await client.list_models())["models"]] == ["people", "people-text"]
            with pytest.raises(ApiError, match="status 400: offset 0") as caught:
                await client.search(expression="(and")
            assert caught.value.problem["offset"] == 0
            assert caught.value.type == "urn:alicorn:problem:expression"

    asyncio.run(asked())


class Scripted(httpx.BaseTransport):
    """Gives the answers of a list: a status with its headers, or an error that is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def handle_request(self, request):
        self.requests.append((request.method, request.url.raw_path.decode(), json.loads(request.content or b"null")))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, headers = answer
        return httpx.Response(status, headers=headers, json=NO_HIT if status == 200 else {"detail": "no"})


def client_of(*answers, **options):
    transport = Scripted(*answers)
    waits = []
    client = Client(transport=transport, on_retry=lambda status, wait_s: waits.append((status, wait_s)), **options)
    return client, transport, waits


def test_a_search_is_tried_again_when_refused_and_when_the_connection_was_lost():
    client, transport, waits = client_of(
        (429, {"retry-after": "0"}), (503, {}), httpx.ReadError("reset"), httpx.ConnectError("refused"), (200, {})
    )
    assert client.search(expression="x", timeout_ms=100) == NO_HIT
    assert [status for status, _ in waits] == [429, 503, None, None]
    assert all(0.05 * 2**at <= wait_s <= 0.1 * 2**at for at, (_, wait_s) in enumerate(waits))
    assert transport.requests == [("POST", "/v1/search", {"expression": "x", "timeout_ms": 100})] * 5


def test_the_server_hears_how_much_time_is_left():
    client, transport, _ = client_of((503, {}), (200, {}), timeout_s=5.0)
    client.search(expression="x")
    first, second = (body["timeout_ms"] for _, _, body in transport.requests)
    assert 4_000 < second < first <= 5_000


def test_what_may_not_be_done_twice_is_not_tried_again_but_where_it_was_not_begun():
    for refused in ((503, {}), httpx.ReadError("reset")):
        client, transport, _ = client_of(refused, (200, {}))
        with pytest.raises(AlicornError, match=r"no|reset"):
            client.roll_back_model()
        assert len(transport.requests) == 1
    client, transport, _ = client_of((429, {}), httpx.ConnectError("refused"), (200, {}))
    client.roll_back_model()
    assert len(transport.requests) == 3


def test_tries_and_time_come_to_an_end():
    client, transport, _ = client_of(*[httpx.ConnectError("refused")] * 3, most_tries=3)
    with pytest.raises(AlicornError, match=r"no server answers at http://127.0.0.1:8080.*refused; start it with"):
        client.about()
    assert len(transport.requests) == 3
    client, _, _ = client_of((429, {"retry-after": "7"}), timeout_s=5.0)
    with pytest.raises(ApiError, match="status 429"):
        client.about()
    tries = Tries(ApiCall("GET", "/x", {}), 9, 1.0, 10.0, "http://x", is_known=True)
    assert tries.left_s(10.25) == 0.75
    with pytest.raises(DeadlineError, match="GET /x: no answer came within 1 s"):
        tries.left_s(11.0)


def test_a_server_that_has_never_answered_is_given_up_sooner_than_one_that_restarts():
    refused = httpx.ConnectError("refused")
    for is_known, most in ((False, MOST_UNOPENED), (True, 50)):
        tries = Tries(ApiCall("POST", "/x", {}), 50, None, 0.0, "http://x", is_known=is_known)
        for _ in range(most - 1):
            tries.after_loss(refused, False, 0.0)
        with pytest.raises(AlicornError):
            tries.after_loss(refused, False, 0.0)
    client, transport, _ = client_of((200, {}), *[httpx.ConnectError("refused")] * 3, (200, {}))
    client.about()
    assert client._is_known
    client.about()
    assert len(transport.requests) == 5


def test_another_server_is_named_as_such():
    client = Client(transport=httpx.MockTransport(lambda request: httpx.Response(404, text="<html>")))
    with pytest.raises(ApiError, match="is it the right address"):
        client.about()
    with pytest.raises(ConfigError, match="url is like"):
        Client("ftp://x")
