"""Bodies that nobody reads: their senders get the answer, and are not read from for ever."""

import contextlib
import datetime
import socket
import time

import httpx
import pytest
from running_server import running_server

from alicorn.serving.api.messages import SEARCH_BYTES
from alicorn.serving.limits.unread_bodies import DISCARDED_BYTES, DISCARDED_S, SMALL_BYTES
from alicorn.serving.security.keys import create_key, new_key

PIECE = b"x" * (1 << 20)
BUFFERS = 24 << 20
"""What the sockets of both ends hold, at most."""
CASES = {  # path, whether it has the key, headers, the answer
    "no key": ("/v1/search", False, "content-length: 1000000000", 401),
    "no key, chunks": ("/v1/search", False, "transfer-encoding: chunked", 401),
    "no such path": ("/v1/nothing", True, "transfer-encoding: chunked", 404),
    "too large": ("/v1/search", True, "content-length: 1000000000", 413),
    "too large, chunks": ("/v1/search", True, "transfer-encoding: chunked", 413),
    "handed on": ("/v1/documents", True, "content-length: 1000000000", 413),
    "handed on, no key": ("/v1/documents", False, "transfer-encoding: chunked", 401),
}


@pytest.fixture(scope="module", params=[1, pytest.param(2, marks=pytest.mark.slow)])
def server(request, tmp_path_factory):
    """Its address, and a key to it."""
    folder = tmp_path_factory.mktemp("server")
    now = datetime.datetime.now(datetime.UTC)
    key = create_key(folder / "keys.json", new_key("a", ["search", "write"], now), now)
    with running_server(folder, keys=str(folder / "keys.json"), workers=request.param) as url:
        yield ("127.0.0.1", int(url.rpartition(":")[2])), key


def asked(key, path, has_key, header):
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{header}\r\n"
    return (head + (f"api-key: {key}\r\n" if has_key else "") + "\r\n").encode()


@pytest.mark.parametrize("case", CASES)
def test_an_endless_body_is_answered_and_its_connection_ends(server, case):
    address, key = server
    path, has_key, header, _ = CASES[case]
    piece = b"100000\r\n" + PIECE + b"\r\n" if "chunked" in header else PIECE
    with socket.create_connection(address, timeout=20) as client:
        client.sendall(asked(key, path, has_key, header))
        sent, most = 0, DISCARDED_BYTES + SEARCH_BYTES + BUFFERS
        with contextlib.suppress(ConnectionError):  # the server reads no more
            while sent < 4 * most:
                client.sendall(piece)
                sent += len(piece)
        assert sent < most


@pytest.mark.parametrize("case", CASES)
def test_a_sender_that_waits_gets_the_answer_and_then_the_end(server, case):
    address, key = server
    path, has_key, header, status = CASES[case]
    if case == "too large, chunks":
        pytest.skip("this one must be sent")
    started = time.monotonic()
    with socket.create_connection(address, timeout=20) as client:
        client.sendall(asked(key, path, has_key, header) + (b"1\r\n{\r\n" if "chunked" in header else b"{"))
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in answer
    assert time.monotonic() - started < DISCARDED_S + 5


def test_a_body_that_is_a_little_too_large_gets_its_answer_though_all_of_it_is_sent(server):
    address, key = server
    with httpx.Client(base_url=f"http://127.0.0.1:{address[1]}", trust_env=False, headers={"api-key": key}) as client:
        for _ in range(3):
            answer = client.post("/v1/search", content=b" " * (5 << 20), headers={"content-type": "application/json"})
            assert answer.status_code == 413
        assert client.post("/v1/search", json={"expression": "text:john"}).json()["total"] == 3


def test_a_connection_with_a_small_or_a_whole_body_stays(server):
    address, key = server
    with socket.create_connection(address, timeout=20) as client:
        stream = client.makefile("rb")
        for body, has_key, status in [(b"{}", False, 401), (b"{", True, 400), (b" " * SMALL_BYTES, False, 401)] * 2:
            client.sendall(asked(key, "/v1/search", has_key, f"content-length: {len(body)}") + body)
            lines = iter(stream.readline, b"\r\n")
            head = b"".join(lines)
            assert head.startswith(b"HTTP/1.1 %d " % status)
            assert b"connection: close" not in head
            stream.read(int(head.partition(b"content-length: ")[2].split()[0]))
        long = b'{"expression": "text:john"' + b" " * (2 * SMALL_BYTES) + b"}"
        client.sendall(asked(key, "/v1/search", True, f"content-length: {len(long)}") + long)
        assert b"connection: close" not in b"".join(iter(stream.readline, b"\r\n"))
