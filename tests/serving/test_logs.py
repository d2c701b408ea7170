"""A request has an id, in its answer and in every line of the log that is about it."""

import json
import logging
import sys

import pytest

from alicorn.query import Collection
from alicorn.serving.logs import JsonLines


@pytest.mark.parametrize(("given", "kept"), [("abc-1.2_3", True), ("a b", False), ("x" * 65, False), ("é", False)])
def test_the_id_of_a_request_is_the_clients_if_it_is_one(client, given, kept):
    answer = client.get("/healthz", headers={"x-request-id": given.encode()})
    assert (answer.headers["x-request-id"] == given) == kept
    assert len(answer.headers["x-request-id"]) == (len(given) if kept else 16)


def test_what_a_thread_logs_has_the_id_of_its_request(client, monkeypatch):
    lines = []

    class Kept(logging.Handler):
        def emit(self, record):
            lines.append(json.loads(self.format(record)))

    def failing(*_, **__):
        logging.getLogger("alicorn").error("on the way")
        raise ZeroDivisionError

    handler = Kept()
    handler.setFormatter(JsonLines())
    logging.getLogger().addHandler(handler)
    monkeypatch.setattr(Collection, "search", failing)
    try:
        answer = client.post("/v1/search", json={"expression": "text:john"}, headers={"x-request-id": "r7"})
    finally:
        logging.getLogger().removeHandler(handler)
    assert answer.status_code == 500
    assert lines[0]["request_id"] == "r7"
    assert (lines[0]["level"], lines[0]["message"]) == ("error", "on the way")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        record = logging.LogRecord("a", logging.ERROR, "p", 1, "m %s", ("x",), sys.exc_info())
    assert "ZeroDivisionError" in json.loads(JsonLines().format(record))["exception"]
