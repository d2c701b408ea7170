"""Feeding a server: back-off, connections that are lost, mistakes by line, closing figures."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from shell import alicorn

from alicorn.cli.serving.feed import FeedTarget, Figures
from alicorn.errors import AlicornError

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
            for name, value in ({"content-length": str(len(content))} | headers).items():
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


def test_a_busy_server_is_waited_for_and_a_lost_connection_opened_again(server):
    server.answers = [(429, {"retry-after": "7"}, {}), (503, {}, {}), (0, {}, {}), (200, {}, WRITTEN)]
    waits, figures = [], Figures()
    assert FeedTarget(server.url, "/bulk", "secret", waits.append).send(b"{}\n", figures) == WRITTEN
    assert server.seen == [("/bulk", "secret", b"{}\n")] * 4
    assert (waits[:2], figures.busy, figures.lost) == ([7.0, 1.0], 2, 1)


def test_what_is_refused_or_gone_is_an_error(server):
    server.answers = [(403, {}, {"detail": "no scope"})]
    with pytest.raises(AlicornError, match="refused, status 403: no scope"):
        FeedTarget(server.url, "/bulk", None).send(b"", Figures())
    with pytest.raises(AlicornError, match="does not answer"):
        FeedTarget("http://127.0.0.1:9", "/bulk", None, lambda seconds: None).send(b"", Figures())
    with pytest.raises(AlicornError, match="url is like"):
        FeedTarget("ftp://x", "/bulk", None)


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
