"""Counts and latencies for Prometheus, in a registry of the app's own.

alicorn_requests_total{route, method, status}     alicorn_request_seconds{route, method}
alicorn_documents                                 alicorn_version: operations acknowledged so far
alicorn_requests_in_flight   alicorn_expected_wait_seconds   alicorn_requests_refused: by admission
alicorn_searches_without_nn_total{rule}           texts that a rule of the vertical's selection made Boolean
alicorn_search_candidates      of texts with an intent: documents that nn found and the control let pass
alicorn_search_stage_seconds{stage}   read: a request with its vectors; engine; answer: columns, reasons and the log
alicorn_segments   alicorn_segments_in_memory   alicorn_documents_deleted: which merging will remove
alicorn_rewritings: of segments, by flushes, merges and trainings
alicorn_refresh_age_seconds: since a collection that another process writes was looked at; 0 where this one writes it
alicorn_background_left_out: tasks that were not done, because too many waited
alicorn_sampled_recall   alicorn_sampled_documents_scanned   alicorn_sampled_plans_total{plan}: by sampling.py
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alicorn.index import SegmentView, Snapshot
from alicorn.query import Collection
from alicorn.serving.background import Background
from alicorn.serving.limits.admission import Admission

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_RECALL = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 1.0)
_SCANNED = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
_CANDIDATES = (0, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)
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
        self.candidates = Histogram(
            *("alicorn_search_candidates", "Documents that nn found and the control let pass"),
            buckets=_CANDIDATES,
            registry=self._registry,
        )
        stage = Histogram(
            *("alicorn_search_stage_seconds", "Seconds of each stage of a search", ["stage"]),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._stages = [stage.labels(name) for name in ("read", "engine", "answer")]
        self.recall = Histogram(
            *("alicorn_sampled_recall", "Share of the exact answer that a search found"),
            buckets=_RECALL,
            registry=self._registry,
        )
        self.scanned = Histogram(
            *("alicorn_sampled_documents_scanned", "Documents that an nn of a search scanned"),
            buckets=_SCANNED,
            registry=self._registry,
        )
        self.plans = Counter("alicorn_sampled_plans", "Plans of nn, by segment", ["plan"], registry=self._registry)
        self._of_collection(collection)

    def _of_collection(self, collection: Collection) -> None:
        documents = Gauge("alicorn_documents", "Live documents", registry=self._registry)
        documents.set_function(lambda: len(collection))
        version = Gauge("alicorn_version", "Operations acknowledged by the collection", registry=self._registry)
        version.set_function(lambda: collection.snapshot().sequence)

        of_segments: dict[str, tuple[str, Callable[[Snapshot], int]]] = {
            "alicorn_segments": ("Segments on disk", lambda snapshot: sum(map(_is_on_disk, snapshot.segments))),
            "alicorn_segments_in_memory": (
                "Segments that are not written to disk yet",
                lambda snapshot: sum(not _is_on_disk(view) for view in snapshot.segments),
            ),
            "alicorn_documents_deleted": (
                "Documents that take room until segments are merged",
                lambda snapshot: sum(view.segment.num_docs - view.num_live for view in snapshot.segments),
            ),
        }
        for name, (said, count) in of_segments.items():
            gauge = Gauge(name, said, registry=self._registry)
            gauge.set_function(partial(_counted, collection, count))
        rewritings = Gauge("alicorn_rewritings", "Flushes, merges and trainings", registry=self._registry)
        rewritings.set_function(lambda: collection.num_rewritings)

    def searched(self, seconds: Sequence[float]) -> None:
        """A search was answered. seconds: of each stage."""
        for stage, took_s in zip(self._stages, seconds, strict=True):
            stage.observe(took_s)

    def watch_age(self, age_s: Callable[[], float], background: Background) -> None:
        """Show how old the view of the collection is, and what the background left out."""
        age = Gauge("alicorn_refresh_age_seconds", "Since the collection was looked at", registry=self._registry)
        age.set_function(age_s)
        left_out = Gauge("alicorn_background_left_out", "Tasks that were not done", registry=self._registry)
        left_out.set_function(lambda: background.left_out)

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


def _counted(collection: Collection, count: Callable[[Snapshot], int]) -> int:
    return count(collection.snapshot())


def _is_on_disk(view: SegmentView) -> bool:
    return view.segment.name is not None
