"""Clients that send and read slowly, by the thousand: others are served meanwhile, and memory stays bounded."""

import contextlib
import resource
import socket
import statistics
import time
from pathlib import Path

import httpx
import pytest
from running_server import start, wait_until_up

CONNECTIONS = 2_000
HEAD = b"POST /v1/search HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


def resident_mb(process):
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


@pytest.fixture(autouse=True)
def many_files():
    """As many descriptors as this process may have, which the server inherits."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] != resource.RLIM_INFINITY and limits[1] < CONNECTIONS + 500:
        pytest.skip(f"a process has at most {limits[1]} descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], CONNECTIONS + 500), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.slow
def test_thousands_of_slow_clients_leave_a_server_to_others(tmp_path):
    process, url = start(tmp_path)
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    with process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        wait_until_up(url, process)
        client = stack.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=30))

        def median_s():
            times = []
            for _ in range(30):
                started = time.perf_counter()
                while (answer := client.post("/v1/search", json={"expression": "text:john"})).status_code == 429:
                    time.sleep(float(answer.headers["retry-after"]))  # hundreds of requests came at once
                assert answer.json()["total"] == 3
                times.append(time.perf_counter() - started)
            return statistics.median(times)

        alone_s, before_mb = median_s(), resident_mb(process)
        sockets = [stack.enter_context(socket.create_connection(address)) for _ in range(CONNECTIONS)]
        for number, one in enumerate(sockets):
            match number % 4:
                case 0:
                    one.sendall(b"POST /v1/se")  # never ends its headers
                case 1:
                    one.sendall(HEAD + b'content-length: 500000\r\n\r\n{"expression": "')  # never ends its body
                case 2:
                    one.sendall((HEAD + b'content-length: 27\r\n\r\n{"expression": "text:john"}') * 20)  # reads nothing
        assert median_s() < 10 * alone_s + 0.1
        assert resident_mb(process) - before_mb < 150
        for one in sockets:
            one.close()
        assert median_s() < 10 * alone_s + 0.1
