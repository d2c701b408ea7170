"""Spans for OpenTelemetry, as OTLP over HTTP: of each request below /v1/, and within it of each stage of a search.

A request goes on with the trace that its headers name. No span has words of a query. Spans wait in memory for a thread
that sends them in batches; where none are taken, or too many come, they are lost, and no request waits.

POST /v1/search          http.request.method, http.route, http.response.status_code, http.response.header.x-request-id,
                         url.path, url.scheme, error.type: OpenTelemetry's conventions for HTTP
read   engine   answer   the stages of metrics.py; engine: alicorn.total, the documents that matched

Imported only by a server that sends spans: it needs the extra `trace`.
"""

import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alicorn import __version__
from alicorn.serving.api.search_endpoint import AnsweredSearch
from alicorn.serving.logs import REQUEST_ID
from alicorn.serving.metrics import METHODS, STAGES, route_of

CLOSING_S = 2.0
"""Seconds that a server which ends gives the collector to take the last spans."""
_SENDERS = (OTLPSpanExporter.__module__, "opentelemetry.sdk._shared_internal")  # which log what they lose
_log = logging.getLogger(__name__)


class Tracing:
    """The spans of one process."""

    def __init__(self, url: str) -> None:
        """url: that takes OTLP. The variables OTEL_... say the rest: name, sampling, headers, batches."""
        own: dict[str, Any] = {"service.name": "alicorn", "service.version": __version__, "process.pid": os.getpid()}
        resource = Resource.create({**own, **OTELResourceDetector().detect().attributes})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_Collector(url)))
        self.tracer = self._provider.get_tracer("alicorn", __version__)

    def searched(self, answered: AnsweredSearch) -> None:
        """A search of the request in hand was answered right now."""
        if not trace.get_current_span().is_recording():
            return
        at_ns = time.time_ns() - round(sum(answered.seconds) * 1e9)
        for stage, seconds in zip(STAGES, answered.seconds, strict=True):
            attributes = {"alicorn.total": answered.result.total} if stage == "engine" else None
            span = self.tracer.start_span(stage, attributes=attributes, start_time=at_ns)
            at_ns += round(seconds * 1e9)
            span.end(at_ns)

    def close(self) -> None:
        """Send what waits, for `CLOSING_S` at most; the rest is lost."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSING_S)


class Traced:
    """A span for each request of the API."""

    def __init__(self, app: ASGIApp, tracing: Tracing, hands_on: bool) -> None:
        """hands_on: whether requests are handed on to another process, whose spans are then within these."""
        self.app = app
        self._tracer = tracing.tracer
        self._hands_on = hands_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        is_known = scope["method"] in METHODS
        attributes = {"http.request.method": scope["method"] if is_known else "_OTHER"}
        attributes |= {"url.path": scope["path"], "url.scheme": scope["scheme"]}
        name = scope["method"] if is_known else "HTTP"
        within_of_client = propagate.extract(_named(scope["headers"]))
        span = self._tracer.start_span(name, within_of_client, trace.SpanKind.SERVER, attributes)
        within = context.attach(trace.set_span_in_context(span))
        if self._hands_on:
            scope = {**scope, "headers": _naming_the_span(scope["headers"])}
        status, failure = 0, ""

        async def send_and_look(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                of_log = [value.decode() for name, value in message["headers"] if name == REQUEST_ID]
                span.set_attribute("http.response.header.x-request-id", of_log)
            await send(message)

        try:
            await self.app(scope, receive, send_and_look)
        except Exception as error:
            status, failure = status or 500, type(error).__qualname__  # Starlette answers 500
            raise
        finally:
            context.detach(within)
            _end(span, name, route_of(scope), status, failure)


def _end(span: trace.Span, name: str, route: str | None, status: int, failure: str) -> None:
    """status: 0 where the client went before the answer. failure: the exception that was raised; empty: none."""
    if route is not None:
        span.update_name(f"{name} {route}")
        span.set_attribute("http.route", route)
    if status:
        span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_attribute("error.type", failure or str(status))
        span.set_status(trace.StatusCode.ERROR)
    span.end()


def _named(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    """The values of each header."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return found


def _naming_the_span(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of a request that is part of the span in hand."""
    own: dict[str, str] = {}
    propagate.inject(own)
    kept = [(name, value) for name, value in headers if name.decode("latin-1") not in own]
    return [*kept, *((name.encode(), value.encode()) for name, value in own.items())]


class _Collector(SpanExporter):  # type: ignore[misc]  # without the extra it has no type
    """Where spans go. That it takes none is a line of the log, once until it does again."""

    def __init__(self, url: str) -> None:
        self._exporter = OTLPSpanExporter(url)
        self._said: set[str] = set()
        self._is_lost = False
        for name in _SENDERS:
            logging.getLogger(name).addFilter(self._is_news)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._is_lost = True
        elif self._is_lost:
            self._is_lost = False
            self._said.clear()
            _log.warning("the collector takes spans again")
        return result

    def shutdown(self) -> None:
        for name in _SENDERS:
            logging.getLogger(name).removeFilter(self._is_news)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _is_news(self, record: logging.LogRecord) -> bool:
        known = record.msg in self._said
        self._said.add(record.msg)
        return not known
