"""Counts and latencies for Prometheus, in a registry of the app's own; of several processes, those of all together.

alicorn_requests_total{route, method, status}     alicorn_request_seconds{route, method}
alicorn_documents                                 alicorn_version: operations acknowledged so far
alicorn_requests_in_flight   alicorn_expected_wait_seconds   alicorn_requests_refused_total: by admission
alicorn_searches_without_nn_total{rule}           texts that a rule of the vertical's selection made Boolean
alicorn_searches_degraded_total{step}             searches that a busy server made cheaper (limits/degradation.py)
alicorn_search_candidates      of texts with an intent: documents that nn found and the control let pass
alicorn_search_stage_seconds{stage}   read: a request with its vectors; engine; answer: columns, reasons and the log
alicorn_segments   alicorn_segments_in_memory   alicorn_documents_deleted: which merging will remove
alicorn_rewritings: of segments, by flushes, merges and trainings
alicorn_refresh_age_seconds: since a collection that another process writes was looked at; 0 where this one writes it
alicorn_background_left_out_total: tasks that were not done, because too many waited
alicorn_sampled_recall   alicorn_sampled_documents_scanned   alicorn_sampled_plans_total{plan}: by sampling.py
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import MultiProcessValue
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alicorn.index import SegmentView, Snapshot
from alicorn.query.any_collection import AnyCollection
from alicorn.serving.background import Background
from alicorn.serving.limits.admission import Admission

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_RECALL = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 1.0)
_SCANNED = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
_CANDIDATES = (0, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
STAGES = ("read", "engine", "answer")
"""Of a search: to read the request and encode its text; the engine, with a ranker; columns, reasons and the log."""
_Among = Literal["livesum", "livemax", "livemostrecent"]
LOOK_S = 0.5
"""How often a process of several says its gauges."""


def share_metrics(folder: Path, slot: int) -> None:
    """Keep what this process counts in files of a folder, which all processes of a server have. Before any is made."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    values.ValueClass = MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one app. folder: of those of all processes of its server; None: this one is alone."""

    def __init__(self, collection: AnyCollection, folder: Path | None = None) -> None:
        self._registry = CollectorRegistry()
        self._folder = folder
        self._gauges: list[tuple[Gauge, Callable[[], float]]] = []
        self._counts: list[_Count] = []
        self._looking = threading.Lock()
        self.requests = self._counter("alicorn_requests", "Requests answered", "route", "method", "status")
        self.seconds = self._histogram(
            "alicorn_request_seconds", "Seconds from request to answer", _SECONDS, "route", "method"
        )
        self.without_nn = self._counter("alicorn_searches_without_nn", "Texts answered without nn", "rule")
        self.degraded = self._counter("alicorn_searches_degraded", "Searches that a busy server made cheaper", "step")
        self.candidates = self._histogram(
            "alicorn_search_candidates", "Documents that nn found and the control let pass", _CANDIDATES
        )
        stage = self._histogram("alicorn_search_stage_seconds", "Seconds of each stage of a search", _SECONDS, "stage")
        self._stages = [stage.labels(name) for name in STAGES]
        self.recall = self._histogram(
            "alicorn_sampled_recall", "Share of the exact answer that a search found", _RECALL
        )
        self.scanned = self._histogram(
            "alicorn_sampled_documents_scanned", "Documents that an nn of a search scanned", _SCANNED
        )
        self.plans = self._counter("alicorn_sampled_plans", "Plans of nn, by segment", "plan")
        self._of_collection(collection)

    def _of_collection(self, collection: AnyCollection) -> None:
        of_segments: dict[str, tuple[str, Callable[[Snapshot], int]]] = {
            "alicorn_documents": ("Live documents", lambda snapshot: snapshot.num_docs),
            "alicorn_version": ("Operations acknowledged by the collection", lambda snapshot: snapshot.sequence),
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
            self._gauge(name, said, partial(_counted, collection, count), "livemostrecent")
        self._gauge(
            *("alicorn_rewritings", "Flushes, merges and trainings", lambda: collection.num_rewritings),
            among="livemostrecent",
        )

    def searched(self, seconds: Sequence[float]) -> None:
        """A search was answered. seconds: of each stage."""
        for stage, took_s in zip(self._stages, seconds, strict=True):
            stage.observe(took_s)

    def refused(self, method: str, route: str) -> None:
        """A busy server refused a request by its headers."""
        self.requests.labels(route, method, "429").inc()

    def watch(self, admission: Admission, background: Background, age_s: Callable[[], float]) -> None:
        """Show who waits, who was refused, what the background left out, and how old the view of the collection is."""
        self._gauge("alicorn_requests_in_flight", "Requests that are worked on", lambda: admission.in_flight, "livesum")
        self._gauge(
            "alicorn_expected_wait_seconds", "How long the next request would wait", lambda: admission.wait_s, "livemax"
        )
        self._gauge("alicorn_refresh_age_seconds", "Since the collection was looked at", age_s, "livemax")
        refused = self._counter("alicorn_requests_refused", "Requests refused by a busy server")
        left_out = self._counter("alicorn_background_left_out", "Tasks that were not done")
        self._counts += [
            _Count(refused, lambda: admission.refused),
            _Count(left_out, lambda: background.left_out),
        ]

    async def look_again(self) -> None:
        """Say the gauges of this process every now and then, until it is cancelled."""
        while True:
            self._look()
            await asyncio.sleep(LOOK_S)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format: of all processes."""
        self._look()
        if self._folder is None:
            return generate_latest(self._registry)
        every = CollectorRegistry()
        MultiProcessCollector(every, str(self._folder))  # type: ignore[no-untyped-call]
        return generate_latest(every)

    def _look(self) -> None:
        """Say how things are."""
        with self._looking:
            for gauge, value in self._gauges:
                gauge.set(value())
            for count in self._counts:
                count.look()

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(name, said, labels, registry=self._registry)

    def _histogram(self, name: str, said: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, said, labels, buckets=buckets, registry=self._registry)

    def _gauge(self, name: str, said: str, value: Callable[[], float], among: _Among) -> None:
        """among: how those of several processes become one."""
        self._gauges.append((Gauge(name, said, registry=self._registry, multiprocess_mode=among), value))


@dataclass
class _Count:
    """A counter of what this process counts elsewhere."""

    counter: Counter
    value: Callable[[], int]
    seen: int = 0

    def look(self) -> None:
        now = self.value()
        self.counter.inc(now - self.seen)
        self.seen = now


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
            route = route_of(scope) or "none"
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.metrics.requests.labels(route, method, str(status)).inc()
            self.metrics.seconds.labels(route, method).observe(time.perf_counter() - started)


def route_of(scope: Scope) -> str | None:
    """The pattern of the path of a request that was answered; None: it has no operation."""
    return getattr(scope.get("endpoint"), "path", None)


def _counted(collection: AnyCollection, count: Callable[[Snapshot], int]) -> int:
    return count(collection.snapshot())


def _is_on_disk(view: SegmentView) -> bool:
    return view.segment.name is not None
