"""Feeding a server: back-off, connections that are lost, mistakes by line, closing figures."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from shell import alicorn

WRITTEN = {"written": 1, "left_out": 0, "unknown": 0, "failed": 0, "errors": []}


@pytest.fixture
def server():
    """Answers each request with the next of `answers`, (status, headers, body), and keeps the bodies."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            self.server.seen.append((self.path, self.headers.get("api-key"), body))
            status, headers, answer = self.server.answers.pop(0)
            if status == 0:  # hangs up
                self.close_connection = True
                return
            self.send_response(status)
            content = json.dumps(answer).encode()
            for name, value in (
                {"content-type": "application/json", "content-length": str(len(content))} | headers
            ).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as found:
        found.seen, found.answers = [], []
        found.url = f"http://127.0.0.1:{found.server_port}"
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def test_a_busy_server_is_waited_for_and_a_lost_connection_opened_again(server, tmp_path, monkeypatch):
    monkeypatch.setenv("ALICORN_API_KEY", "secret")
    file = tmp_path / "documents.jsonl"
    file.write_text("{}\n")
    server.answers = [(429, {"retry-after": "0"}, {}), (503, {}, {}), (0, {}, {}), (200, {}, WRITTEN)]
    done = alicorn("feed", file, "--url", server.url)
    assert server.seen == [("/v1/documents/bulk?action=upsert", "secret", b"{}\n")] * 4
    figures = json.loads(done.out)
    assert (figures["busy"], figures["lost"], figures["written"]) == (2, 1, 1)


def test_what_is_refused_is_an_error(server, tmp_path):
    server.answers = [(403, {}, {"detail": "no scope"})]
    file = tmp_path / "documents.jsonl"
    file.write_text("{}\n")
    done = alicorn("feed", file, "--url", server.url)
    assert done.code == 2
    assert "status 403: no scope" in done.err


def test_a_file_is_sent_in_batches_and_mistakes_are_named_by_their_line(server, tmp_path):
    file = tmp_path / "documents.jsonl"
    file.write_text('{"doc_id": "a"}\n{"doc_id": "b"}\n{"doc_id": ""}')
    error = {"row": 0, "type": "t", "detail": "is empty"}
    failed = WRITTEN | {"written": 0, "failed": 1, "errors": [error]}
    server.answers = [(200, {}, WRITTEN | {"written": 2}), (200, {}, failed)]
    done = alicorn("feed", file, "--url", server.url, "--batch", "2", "--action", "update")
    assert [body.count(b"\n") for _, _, body in server.seen] == [2, 1]
    assert server.seen[0][0] == "/v1/documents/bulk?action=update"
    figures = json.loads(done.out)
    assert (figures["lines"], figures["written"], figures["failed"], figures["requests"]) == (3, 2, 1, 2)
    assert "line 3: is empty" in done.err
    assert done.code == 1
