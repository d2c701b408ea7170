"""Several processes over one collection: any of them takes anything, and none is missed when it ends."""

import contextlib
import datetime
import os
import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from running_server import start, wait_until_up

from alicorn.errors import AlicornError, CollectionError
from alicorn.index.durability.writer_lock import LOCK_FILE
from alicorn.serving import serve
from alicorn.serving.security.keys import create_key, new_key, revoke_key

WORKERS = 2


class Server:
    def __init__(self, folder, keys=False):
        """keys: whether it asks for them; `admin` is one."""
        self.folder = folder
        self.keys = folder / "keys.json"
        options = {"keys": str(self.keys)} if keys else {}
        if keys:
            now = datetime.datetime.now(datetime.UTC)
            self.admin = create_key(self.keys, new_key("admin", ["admin", "write"], now), now)
        self.process, self.url = start(folder, workers=WORKERS, **options)

    @property
    def owner(self):
        return int((self.folder / "collection" / LOCK_FILE).read_text())

    def children(self):
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(found) for found in found]

    def client(self):
        return httpx.Client(base_url=self.url, trust_env=False, timeout=60)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("several"))
    with server.process:
        try:
            wait_until_up(server.url, server.process)
            while len(server.children()) < WORKERS + 1:
                time.sleep(0.1)
            yield server
        finally:
            server.process.kill()


def document(doc_id, term):
    return {"doc_id": doc_id, "terms": [f"text:{term}"], "columns": {"name": term, "city": "Oslo"}}


def total(client, term):
    return client.post("/v1/search", json={"expression": f"text:{term}"}).json()["total"]


class Load:
    """Searches and writes on their own connections until the block ends. failed: everything but 200."""

    def __init__(self, server):
        self.failed = []
        self.answered = 0
        self._ends = False
        self._threads = [threading.Thread(target=self._run, args=(server, number)) for number in range(6)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self._ends = True
        for thread in self._threads:
            thread.join()

    def _run(self, server, number):
        with server.client() as client:
            while not self._ends:
                try:
                    if number:
                        answer = client.post("/v1/search", json={"text": "john smith", "limit": 2})
                    else:
                        answer = client.post("/v1/documents", json=[document("load", "load")])
                    self.failed += [] if answer.status_code == 200 else [answer.text]
                    self.answered += 1
                except httpx.TransportError as error:
                    self.failed.append(repr(error))
                time.sleep(0.01)


@pytest.mark.slow
def test_whichever_process_is_asked_sees_what_was_written_and_keeps_what_was_clicked(server):
    clients = [server.client() for _ in range(8)]
    for number in range(20):
        answer = clients[number % 8].post("/v1/documents", json=[document("w", f"written{number}")])
        assert answer.status_code == 200, answer.text
        assert [total(client, f"written{number}") for client in clients] == [1] * 8
    for client in clients:
        client.close()


@pytest.mark.slow
def test_a_rate_is_of_all_processes_metrics_add_up_and_a_revoked_key_is_refused_within_a_second(tmp_path):
    server = Server(tmp_path, keys=True)
    with server.process, server.client() as admin:
        try:
            wait_until_up(server.url, server.process)
            keys = server.keys
            now = datetime.datetime.now(datetime.UTC)
            admin.headers["api-key"] = server.admin
            web = {"api-key": create_key(keys, new_key("web", ["search"], now, per_second=40.0), now)}
            time.sleep(1.0)
            statuses = Counter()

            def ask():
                with server.client() as client:  # connections of its own: any process
                    for _ in range(20):
                        found = client.post("/v1/search", json={"expression": "text:john"}, headers=web)
                        statuses[found.status_code] += 1

            started = time.monotonic()
            threads = [threading.Thread(target=ask) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert 40 <= statuses[200] <= 40 + 40.0 * (time.monotonic() - started)
            assert statuses[200] + statuses[429] == 120
            metrics = admin.get("/metrics").text
            assert (
                f'alicorn_requests_total{{method="POST",route="/v1/search",status="200"}} {statuses[200]}.0' in metrics
            )
            assert f'alicorn_search_stage_seconds_count{{stage="engine"}} {statuses[200]}.0' in metrics
            assert "alicorn_documents 4.0" in metrics
            revoke_key(keys, "web", datetime.datetime.now(datetime.UTC))
            time.sleep(1.0)
            for _ in range(8):
                with server.client() as client:
                    assert client.get("/v1/about", headers=web).status_code == 401
        finally:
            server.process.kill()


@pytest.mark.slow
def test_connections_are_dealt_out_to_all_searching_processes(server):
    def open_files():
        return {child: len(os.listdir(f"/proc/{child}/fd")) for child in server.children() if child != server.owner}

    before = open_files()
    host = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with contextlib.ExitStack() as connections:
        for child in before:
            os.kill(child, signal.SIGSTOP)
        for _ in range(64):
            connections.enter_context(socket.create_connection(host))
        for child in before:
            os.kill(child, signal.SIGCONT)
        deadline_s = time.monotonic() + 10
        while sum(open_files().values()) < sum(before.values()) + 64 and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert all(files >= before[child] + 8 for child, files in open_files().items())


@pytest.mark.slow
def test_a_second_server_at_the_port_is_refused(server, tmp_path):
    with pytest.raises(AlicornError, match="cannot listen"):
        serve(tmp_path, workers=2, port=int(server.url.rpartition(":")[2]))


@pytest.mark.slow
def test_all_processes_are_restarted_one_by_one_and_no_request_fails(server):
    before = server.children()
    with Load(server) as load:
        server.process.send_signal(signal.SIGHUP)
        while set(before) & set(server.children()) or len(server.children()) > WORKERS + 1:
            time.sleep(0.2)
    assert not load.failed
    assert load.answered > 100


@pytest.mark.slow
@pytest.mark.parametrize("place", ["owner", "searching"])
def test_a_process_that_is_killed_costs_what_it_was_asked_and_is_started_again(server, place):
    with server.client() as client:
        assert client.post("/v1/documents", json=[document("kept", f"kept{place}")]).status_code == 200
        killed = next(child for child in server.children() if (child == server.owner) == (place == "owner"))
        with Load(server) as load:
            os.kill(killed, signal.SIGKILL)
            while killed in server.children() or len(server.children()) < WORKERS + 1:
                time.sleep(0.1)
            time.sleep(1.0)
        assert len(load.failed) <= 6, "one for each connection"
        assert total(client, f"kept{place}") == 1
        assert client.post("/v1/documents", json=[document("after", "after")]).status_code == 200
        assert total(client, "after") == 1


@pytest.mark.slow
def test_a_signal_ends_all_processes_with_the_log_written(server):
    with server.client() as client:
        shown = client.post("/v1/search", json={"text": "jane", "searcher": "p2"}).json()
        event = {"action": "click", "search_id": shown["search_id"], "doc_id": shown["hits"][0]["doc_id"]}
        assert client.post("/v1/events", json=[event]).status_code == 204
    children = server.children()
    server.process.send_signal(signal.SIGTERM)
    errors = server.process.communicate(timeout=60)[1]
    assert server.process.returncode == 0, errors
    assert "Traceback" not in errors
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    clicks = pq.read_table(server.folder / "served" / "events")["search_id"].to_pylist()
    assert shown["search_id"] in clicks


@pytest.mark.slow
def test_what_cannot_be_served_is_an_error_of_the_server_that_was_started(tmp_path):
    with pytest.raises(CollectionError, match="is not a folder"):
        serve(tmp_path / "nothing", workers=2, port=0)
