"""What is bounded: waiting, time, bodies, headers; and others are served meanwhile."""

import asyncio
import ctypes
import json
import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from asgi_client import refused, search
from starlette.exceptions import HTTPException
from uvicorn.config import Config
from uvicorn.server import ServerState

from alicorn.query import Collection
from alicorn.query.wanted import check_wanted, flag
from alicorn.serving.limits.admission import ALWAYS_TAKEN, Admission
from alicorn.serving.limits.connections import BoundedHeaders
from alicorn.serving.limits.refusals import REFUSALS, Refusals
from alicorn.serving.security.access import Access
from alicorn.serving.security.keys import create_key, new_key

SEARCH = {"expression": "text:john"}


def test_a_kind_is_quick_once_it_was_and_slow_where_it_is_mostly():
    admission = Admission()
    assert not admission.is_quick("search")
    for seconds in (0.001, *[0.0005] * 100, 30.0):  # one that is slow once says little of the next
        admission.took("search", seconds)
        assert admission.is_quick("search")
    for _ in range(30):
        admission.took("bulk", 0.5)
    assert (admission.is_quick("bulk"), admission.is_quick("search")) == (False, True)


def test_quick_requests_that_wait_long_make_the_server_busy_and_one_alone_never_does():
    async def run():
        admission, ran = Admission(longest_wait_s=0.004), []

        async def ask(number):
            async with admission.place("search", is_quick=True):
                ran.append(number)

        admission.check("search", True)
        first = [asyncio.create_task(ask(number)) for number in range(ALWAYS_TAKEN)]
        await asyncio.sleep(0)
        assert (ran, admission.is_busy) == ([0], False)
        asked = [*first, asyncio.create_task(ask(ALWAYS_TAKEN))]
        await asyncio.sleep(0)
        assert (admission.in_flight, admission.is_busy) == (ALWAYS_TAKEN, True)
        with pytest.raises(HTTPException) as raised:
            admission.check("search", True)
        assert (raised.value.status_code, raised.value.headers) == (429, {"retry-after": "1"})
        await asyncio.gather(*asked)
        assert (ran, admission.in_flight, admission.is_busy) == ([*range(ALWAYS_TAKEN + 1)], 0, False)
        admission.check("search", True)

    asyncio.run(run())


def test_slow_requests_that_wait_long_leave_quick_ones_alone():
    async def run():
        admission, end = Admission(longest_wait_s=0.01), asyncio.Event()

        async def write():
            async with admission.place("bulk", is_quick=False):
                await end.wait()

        admission.took("search", 0.001)
        writing = [asyncio.create_task(write()) for _ in range(ALWAYS_TAKEN)]
        await asyncio.sleep(0)
        with pytest.raises(HTTPException, match="429"):
            admission.check("bulk", False)
        admission.check("search", True)
        async with admission.place("search", is_quick=True):
            assert not admission.is_busy
        end.set()
        await asyncio.gather(*writing)
        admission.check("bulk", False)

    asyncio.run(run())


def test_an_event_loop_that_is_late_all_the_time_is_a_wait():
    async def run():
        admission = Admission(longest_wait_s=0.02)
        async with admission.place("search", is_quick=False):
            admission.in_flight = ALWAYS_TAKEN
            for late in range(12):
                if late < 4:
                    admission.check("search", True)  # one delay is none
                time.sleep(0.03)  # nothing else can run
                await asyncio.sleep(0)
            with pytest.raises(HTTPException):
                admission.check("search", True)

    asyncio.run(run())


def test_bodies_together_are_bounded():
    admission = Admission(most_body_bytes=100)
    admission.hold(60)
    with pytest.raises(HTTPException, match="429"):
        admission.hold(60)
    admission.free(60)
    admission.hold(100)


@pytest.fixture
def slow(collection, monkeypatch):
    """Searches wait until the event is set; `begun` counts them."""
    go, begun, search_of = threading.Event(), [], Collection.search

    def waiting(self, *arguments, **options):
        begun.append(1)
        go.wait(5)
        return search_of(self, *arguments, **options)

    monkeypatch.setattr(Collection, "search", waiting)
    go.begun = begun
    return go


def test_an_answer_that_is_late_is_a_503_that_says_so(client, slow):
    threading.Timer(0.05, slow.set).start()
    problem = refused(client, 503, timeout_ms=10, **SEARCH)
    assert problem["type"] == "urn:alicorn:problem:deadline"
    assert "timeout_ms is 10" in problem["detail"]
    assert search(client, timeout_ms=60_000, **SEARCH)["total"] == 3


async def ask_and_leave(app):
    """Send a search, and close the connection soon after."""

    async def receive():
        if not sent:
            sent.append(1)
            return {"type": "http.request", "body": b'{"expression": "text:john"}', "more_body": False}
        await asyncio.sleep(0.1)
        return {"type": "http.disconnect"}

    async def send(message):
        raise AssertionError("nobody listens")

    sent = []
    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/search", "raw_path": b"/v1/search", "headers": headers}
    scope |= {"query_string": b"", "client": ("x", 1), "server": ("x", 1), "scheme": "http", "root_path": ""}
    await asyncio.wait_for(app(scope, receive, send), 3)


def test_a_client_that_goes_away_frees_its_place(start, collection, slow):
    asyncio.run(ask_and_leave(start(collection).client._transport.app))
    slow.set()
    assert slow.begun == [1]


@pytest.fixture
def scanning(monkeypatch):
    """Searches that never end by themselves: they look at the flag of their answer, as compiled loops do."""
    ended = threading.Event()

    def scan(self, *arguments, **options):
        while not ctypes.c_int64.from_address(flag()).value:
            time.sleep(0.001)
        ended.set()
        check_wanted()
        raise AssertionError("what is no longer wanted is not answered")

    monkeypatch.setattr(Collection, "search", scan)
    return ended


def test_a_long_scan_ends_when_its_time_is_over(client, scanning):
    started = time.monotonic()
    assert "timeout_ms is 30" in refused(client, 503, timeout_ms=30, **SEARCH)["detail"]
    assert time.monotonic() - started < 2.0  # on the busiest machine


def test_a_long_scan_ends_when_its_client_goes_away(start, collection, scanning):
    asyncio.run(ask_and_leave(start(collection).client._transport.app))
    assert scanning.wait(5)


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"content-encoding": "gzip"}, 415), ({"content-encoding": "br"}, 415), ({"content-type": "text/plain"}, 415)],
)
def test_a_compressed_body_is_not_unpacked(client, headers, status):
    headers = {"content-type": "application/json"} | headers
    assert client.post("/v1/search", content=b"x" * 1000, headers=headers).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b'{"expression": "(nn people :k 3)", "vectors": {"people": [' + b"1," * 1_000_000 + b"1]}}",
        b'{"expression": "(nn people :k 3)", "vectors": {"people": [NaN]}}',
        b'{"expression": "(nn people :k 3)", "vectors": {"people": [1e999]}}',
        b'{"expression": ' + b"[" * 200_000,
        b'{"context": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b', "expression": "a"}',
        b'{"expression": "a", "expression": "b"}',
        b'{"expression": "' + b"(and " * 100_000 + b'"}',
        b'{"limit": ' + b"9" * 100_000 + b', "expression": "a"}',
    ],
    ids=["dimensions", "nan", "infinite", "deep list", "deep object", "twice", "deep expression", "digits"],
)
def test_hostile_bodies_are_refused_and_others_are_served(client, body):
    answer = client.post("/v1/search", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert search(client, **SEARCH)["total"] == 3


class Connection:
    """A protocol over a transport that only remembers what was written, and whether it was closed."""

    def __init__(self, loop, state=None):
        async def app(scope, receive, send):
            self.asked += 1
            await asyncio.sleep(10)

        config = Config(app, log_level="critical")
        config.load()
        self.closed, self.written, self.asked = False, b"", 0
        self.protocol = BoundedHeaders(config, ServerState(), state or {}, loop)
        self.protocol.connection_made(self)

    def close(self):
        self.closed = True

    async def end(self):
        self.protocol.connection_lost(None)
        for task in list(self.protocol.tasks):
            task.cancel()
            await asyncio.wait([task], timeout=5)

    def is_closing(self):
        return self.closed

    def get_extra_info(self, name, default=None):
        return default

    def write(self, data):
        self.written += data

    def __getattr__(self, name):
        return lambda *_: None


def test_a_flood_of_headers_closes_the_connection_and_a_large_body_does_not():
    async def run():
        flooded = Connection(asyncio.get_running_loop())
        flooded.protocol.data_received(b"GET / HTTP/1.1\r\nhost: x\r\nx: ")
        for _ in range(15):
            flooded.protocol.data_received(b"a" * 4096)
        assert not flooded.closed
        for _ in range(5):
            flooded.protocol.data_received(b"a" * 4096)
        assert flooded.closed
        large = Connection(asyncio.get_running_loop())
        large.protocol.data_received(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n" + b"b" * 100_000)
        large.protocol.data_received(b"b" * 90_000)
        assert not large.closed
        for connection in (flooded, large):
            connection.protocol.connection_lost(None)

    asyncio.run(run())


def test_headers_that_come_slowly_close_the_connection(monkeypatch):
    monkeypatch.setattr("alicorn.serving.limits.connections.HEADERS_S", 0.02)

    async def run():
        silent, slow, complete = (Connection(asyncio.get_running_loop()) for _ in range(3))
        slow.protocol.data_received(b"GET / HT")
        complete.protocol.data_received(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n")
        await asyncio.sleep(0.05)
        assert (silent.closed, slow.closed, complete.closed) == (True, True, False)
        for connection in (silent, slow, complete):
            connection.protocol.connection_lost(None)

    asyncio.run(run())


@pytest.fixture
def busy(collection, start, tmp_path, monkeypatch):
    """A connection to a busy server; its app has a key for one page."""
    monkeypatch.setattr(Admission, "is_busy", property(lambda self: True))
    monkeypatch.setattr(Admission, "wait_s", property(lambda self: 1.5))
    key = new_key("page", ["search"], datetime.now(UTC), origins=["https://shop.example"])
    create_key(tmp_path / "keys.json", key, datetime.now(UTC))
    secret = create_key(tmp_path / "keys.json", new_key("admin", ["admin"], datetime.now(UTC)), datetime.now(UTC))
    client = start(collection, keys=tmp_path / "keys.json")
    client.metrics = lambda: client.get("/metrics", headers={"api-key": secret}).text

    async def connect():
        return Connection(asyncio.get_running_loop(), client.state)

    return SimpleNamespace(client=client, connection=client.run(connect()))


def posted(path, *headers, body=b'{"expression": "text:john"}'):
    lines = [f"POST {path} HTTP/1.1", "host: x", "content-type: application/json", *headers]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def test_a_busy_server_refuses_by_the_headers_alone(busy):
    async def run():
        head, body = posted("/v1/search?a=b", "x-request-id: r-7", "origin: https://shop.example").split(b"{")
        busy.connection.protocol.data_received(head)
        answer, _, problem = busy.connection.written.partition(b"\r\n\r\n")
        busy.connection.protocol.data_received(b"{" + body)  # which nobody reads
        busy.connection.protocol.data_received(posted("/v1/search", "origin: https://other.example"))
        assert not busy.connection.closed
        await busy.connection.end()
        return answer.decode().split("\r\n"), json.loads(problem), busy.connection.written[len(answer) :].decode()

    answer, problem, rest = busy.client.run(run())
    assert answer[0] == "HTTP/1.1 429 Too Many Requests"
    expected = {"retry-after: 2", "content-type: application/problem+json", "x-content-type-options: nosniff"}
    assert set(answer) >= expected | {"x-request-id: r-7", "access-control-allow-origin: https://shop.example"}
    assert problem["detail"] == "the server is busy: a request would wait 1500 ms"
    assert (problem["status"], busy.connection.asked) == (429, 0)
    assert rest.count("HTTP/1.1 429") == 1
    assert "other.example" not in rest
    counted = busy.client.metrics()
    assert 'alicorn_requests_total{method="POST",route="/v1/search",status="429"} 2.0' in counted
    assert "alicorn_requests_refused_total 2.0" in counted


def test_of_requests_that_come_at_once_those_before_count():
    async def run():
        loop = asyncio.get_running_loop()
        refusals = Refusals(
            Admission(), Access(None), [SimpleNamespace(method="POST", path="/v1/search")], lambda *_: None
        )
        connections = [Connection(loop, {REFUSALS: refusals}) for _ in range(ALWAYS_TAKEN + 20)]
        asked = []
        for _ in range(2):
            for connection in connections:  # in one look at the sockets: no request was begun
                connection.protocol.data_received(posted("/v1/search"))
            await asyncio.sleep(0)
            asked.append([connection.asked for connection in connections])
        for connection in connections:
            await connection.end()
        assert asked[0] == [1] * ALWAYS_TAKEN + [0] * 20
        for connection in connections[ALWAYS_TAKEN:]:
            assert connection.written.startswith(b"HTTP/1.1 429")
            assert b"a request would wait 96 ms" in connection.written  # 32 that may take 3 ms each
        assert asked[1][ALWAYS_TAKEN:] == [1] * 20  # none of them is in a lane, and none is coming

    asyncio.run(run())


def test_a_busy_server_says_that_it_is_well_and_lets_answers_not_pile_up(busy):
    async def run():
        connection = busy.connection
        connection.protocol.data_received(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(0)
        asked = connection.asked
        piled = Connection(asyncio.get_running_loop(), busy.client.state)
        piled.protocol.data_received(posted("/v1/search") * 100)
        unread = Connection(asyncio.get_running_loop(), busy.client.state)
        unread.protocol.pause_writing()
        unread.protocol.data_received(posted("/v1/search"))
        closing = Connection(asyncio.get_running_loop(), busy.client.state)
        closing.protocol.data_received(posted("/v1/search", "connection: close"))
        for one in (connection, piled, unread, closing):
            await one.end()
        return asked, piled.written.count(b"HTTP/1.1 429"), unread.written, closing

    asked, piled, unread, closing = busy.client.run(run())
    assert (asked, piled, unread) == (1, 1, b"")
    assert closing.closed
    assert b"connection: close" in closing.written
