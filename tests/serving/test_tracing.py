"""Spans as a collector gets them: of each request, within the trace of its client, and of the stages of a search."""

import logging
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from asgi_client import search
from running_server import free_port, running_server, wait_until_up
from running_server import start as start_served
from served_people import SEARCHERS, UNIFIED

from alicorn.errors import ConfigError
from alicorn.query import Collection
from alicorn.serving.process import check_traces

tracing = pytest.importorskip("alicorn.serving.tracing", exc_type=ImportError)
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """Takes OTLP over HTTP. spans: those that came, by their names. status: of its answers."""

    def __init__(self):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        collector, self.status, self.requests = self, 200, []

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if collector.status == 200:
                    collector.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(collector.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"

    def resources(self):
        return [attributes(one.resource) for request in self.requests for one in request.resource_spans]

    def spans(self):
        scopes = [of for request in self.requests for one in request.resource_spans for of in one.scope_spans]
        return [span for of in scopes for span in of.spans]

    def named(self, name):
        (span,) = [span for span in self.spans() if span.name == name]
        return span


def attributes(of):
    """Of a span or resource, as plain values."""
    values = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}
    return {
        name: [each.string_value for each in one.values] if hasattr(one, "values") else one
        for name, one in values.items()
    }


@pytest.fixture
def collector():
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever)
    thread.start()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()
    thread.join()


@pytest.fixture
def traced(collection, start, collector):
    """A client of a traced app, and what sends its spans."""
    own = tracing.Tracing(collector.url)
    yield start(collection, [UNIFIED], searchers=SEARCHERS, tracing=own), own
    own.close()


def test_a_search_is_a_span_in_its_clients_trace_with_one_for_each_stage(traced, collector):
    client, own = traced
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "r7"}
    answer = client.post("/v1/search", json={"text": "john smith", "searcher": "p3"}, headers=headers)
    own.close()
    whole = collector.named("POST /v1/search")
    assert (whole.trace_id.hex(), whole.parent_span_id.hex()) == (TRACE, PARENT)
    assert whole.kind == whole.SPAN_KIND_SERVER
    assert attributes(whole) == {
        "http.request.method": "POST",
        "http.route": "/v1/search",
        "http.response.status_code": 200,
        "http.response.header.x-request-id": ["r7"],
        "url.path": "/v1/search",
        "url.scheme": "http",
    }
    stages = [collector.named(name) for name in ("read", "engine", "answer")]
    assert {(stage.trace_id, stage.parent_span_id) for stage in stages} == {(whole.trace_id, whole.span_id)}
    assert attributes(stages[1]) == {"alicorn.total": answer.json()["total"]}
    times = [whole.start_time_unix_nano]
    for stage in stages:
        times += [stage.start_time_unix_nano, stage.end_time_unix_nano]
    times.append(whole.end_time_unix_nano)
    assert times == sorted(times)
    took_ms = (times[-2] - times[1]) / 1e6
    assert 0.0 < took_ms <= answer.json()["took_ms"]
    assert collector.resources()[0]["service.name"] == "alicorn"


def test_no_span_has_words_of_a_query(traced, collector):
    client, own = traced
    client.get("/v1/suggest", params={"begins": "text:jo"})
    search(client, text="john smith")
    own.close()
    assert len(collector.spans()) == 5
    assert "john" not in str(collector.requests)
    assert "text:jo" not in str(collector.requests)


def test_each_search_of_a_batch_has_its_stages(traced, collector):
    client, own = traced
    client.post("/v1/search/batch", json={"searches": [{"text": "john"}, {"text": "smith"}]})
    own.close()
    whole = collector.named("POST /v1/search/batch")
    within = [span.name for span in collector.spans() if span.parent_span_id == whole.span_id]
    assert sorted(within) == sorted(["read", "engine", "answer"] * 2)


def test_a_route_is_a_pattern_and_a_failure_an_error(traced, collector, monkeypatch):
    client, own = traced

    def failing(*_, **__):
        raise ZeroDivisionError

    client.get("/v1/documents/p1")
    client.get("/v1/nothing")
    client.get("/livez")
    monkeypatch.setattr(Collection, "search", failing)
    client.post("/v1/search", json={"expression": "text:john"})
    own.close()
    document, failed = collector.named("GET /v1/documents/{doc_id:path}"), collector.named("POST /v1/search")
    assert (attributes(document)["http.route"], document.status.code) == ("/v1/documents/{doc_id:path}", 0)
    missing = attributes(collector.named("GET"))
    assert (missing["http.response.status_code"], missing.get("http.route")) == (404, None)
    assert (attributes(failed)["http.response.status_code"], failed.status.code) == (
        500,
        failed.status.STATUS_CODE_ERROR,
    )
    assert attributes(failed)["error.type"] == "ZeroDivisionError"
    assert len(collector.spans()) == 3


def test_standard_variables_say_who_sends_what(monkeypatch, collection, start, collector):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop search")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    own = tracing.Tracing(collector.url)
    client = start(collection, tracing=own)
    client.get("/v1/about")
    client.get("/v1/about", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    client.get("/v1/about", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    own.close()
    assert collector.named("GET /v1/about").trace_id.hex() == TRACE
    assert collector.resources()[0]["service.name"] == "shop search"


@pytest.mark.parametrize("status", [0, 401])
def test_a_collector_that_takes_nothing_fails_no_request_and_is_reported_once(
    monkeypatch, caplog, collection, start, collector, status
):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "5")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    collector.status = status
    if not status:
        collector.url = f"http://127.0.0.1:{free_port()}/v1/traces"
    own = tracing.Tracing(collector.url)
    client = start(collection, tracing=own)
    with caplog.at_level(logging.WARNING):
        for _ in range(30):
            assert client.get("/v1/about").status_code == 200
            time.sleep(0.01)
        wait_for(lambda: "Failed to export" in caplog.text)
        said = [record.msg for record in caplog.records if record.name.startswith("opentelemetry")]
        assert len(said) == len(set(said))
        if status:
            collector.status = 200
            client.get("/v1/about")
            wait_for(lambda: "takes spans again" in caplog.text)
            assert collector.spans()
    own.close()


def wait_for(condition, seconds=20.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_collector_that_never_answers_holds_up_neither_requests_nor_the_end(monkeypatch, collection, start):
    monkeypatch.setattr(tracing, "CLOSING_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        own = tracing.Tracing(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces")
        client = start(collection, tracing=own)
        assert client.get("/v1/about").status_code == 200
        started = time.monotonic()
        own.close()
        assert time.monotonic() - started < 2.0


def test_several_processes_send_one_trace(monkeypatch, tmp_path, collector):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    traceparent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    with running_server(tmp_path, workers=2, traces=collector.url) as url, httpx.Client(trust_env=False) as client:
        answer = client.post(f"{url}/v1/documents", json=[{"doc_id": "new", "terms": ["text:a"]}], headers=traceparent)
        assert answer.status_code == 200, answer.text
        wait_for(lambda: len(collector.spans()) == 2)
    outer, inner = sorted(collector.spans(), key=lambda span: span.parent_span_id.hex() != PARENT)
    assert {outer.name, inner.name} == {"POST /v1/documents"}
    assert (outer.parent_span_id.hex(), inner.parent_span_id) == (PARENT, outer.span_id)
    assert {outer.trace_id.hex(), inner.trace_id.hex()} == {TRACE}
    assert len({one["process.pid"] for one in collector.resources()}) == 2


def test_a_server_that_ends_sends_its_last_spans(tmp_path, collector):
    process, url = start_served(tmp_path, traces=collector.url)
    with process:
        try:
            wait_until_up(url, process)
            assert httpx.get(f"{url}/v1/about", trust_env=False).status_code == 200
            process.terminate()
            errors = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert collector.named("GET /v1/about")


@pytest.mark.parametrize("url", ["localhost:4318", "ftp://a/v1/traces", "http:///v1/traces", "http://localhost:4318/"])
def test_a_url_that_takes_no_spans_is_refused_before_anything_starts(url):
    check_traces("http://localhost:4318/v1/traces")
    with pytest.raises(ConfigError, match="traces: expected the whole URL"):
        check_traces(url)


def test_without_traces_nothing_of_it_is_loaded(tmp_path):
    program = "import sys, alicorn.serving.process; print([name for name in sys.modules if 'opentelemetry' in name])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
