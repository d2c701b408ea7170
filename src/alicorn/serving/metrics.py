"""Counts and latencies for Prometheus, in a registry of the app's own.

alicorn_requests_total{route, method, status}     alicorn_request_seconds{route, method}
alicorn_documents                                 alicorn_version: operations acknowledged so far
alicorn_requests_in_flight   alicorn_expected_wait_seconds   alicorn_requests_refused: by admission
alicorn_searches_without_nn_total{rule}           texts that a rule of the vertical's selection made Boolean
"""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alicorn.query import Collection
from alicorn.serving.limits.admission import Admission

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The metrics of one app."""

    def __init__(self, collection: Collection) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "alicorn_requests", "Requests answered", ["route", "method", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "alicorn_request_seconds",
            "Seconds from request to answer",
            ["route", "method"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.without_nn = Counter(
            "alicorn_searches_without_nn", "Texts answered without nn", ["rule"], registry=self._registry
        )
        documents = Gauge("alicorn_documents", "Live documents", registry=self._registry)
        documents.set_function(lambda: len(collection))
        version = Gauge("alicorn_version", "Operations acknowledged by the collection", registry=self._registry)
        version.set_function(lambda: collection.snapshot().sequence)

    def watch(self, admission: Admission) -> None:
        """Show who waits, and who was refused."""
        in_flight = Gauge("alicorn_requests_in_flight", "Requests that are worked on", registry=self._registry)
        in_flight.set_function(lambda: admission.in_flight)
        wait = Gauge("alicorn_expected_wait_seconds", "How long the next request would wait", registry=self._registry)
        wait.set_function(lambda: admission.wait_s)
        refused = Gauge("alicorn_requests_refused", "Requests refused by a busy server", registry=self._registry)
        refused.set_function(lambda: admission.refused)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)


class CountRequests:
    """Counts and times every request. Routes are named by their pattern, so that labels stay few."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def send_and_look(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_look)
        finally:
            route = getattr(scope.get("endpoint"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self.metrics.requests.labels(route, method, str(status)).inc()
            self.metrics.seconds.labels(route, method).observe(time.perf_counter() - started)
