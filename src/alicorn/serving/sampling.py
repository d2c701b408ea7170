"""How much of the exact answer do searches find, and by how much work? Some are answered again in the background.

One search at a time, over the snapshot that it was answered over: exactly, whatever it takes, and once more with its
plan. After each the thread rests so long that it takes at most `BUDGET` of the time of one processor: the share of the
searches that is sampled follows from the size of the collection.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from alicorn.language.tree import Nn, exactly, walk
from alicorn.query.explain.step import Step
from alicorn.serving.api.search_endpoint import AnsweredSearch
from alicorn.serving.background import Background
from alicorn.serving.metrics import Metrics

BUDGET = 0.02


class RecallSample:
    """Shows recall, plans and scanned documents of sampled searches in the metrics."""

    def __init__(self, metrics: Metrics, background: Background) -> None:
        self._metrics = metrics
        self._background = background
        self._due_s = 0.0
        self._taken = threading.Lock()  # by the search that is answered again

    def see(self, answered: AnsweredSearch) -> None:
        """A search was answered."""
        if time.monotonic() < self._due_s or answered.request.after is not None or not _is_approximate(answered):
            return
        if self._taken.acquire(blocking=False) and not self._background.offer(lambda: self._again(answered)):
            self._taken.release()

    def _again(self, answered: AnsweredSearch) -> None:
        started = time.monotonic()
        try:
            request, result = replace(answered.request, only=None), answered.result  # the snapshot has no others
            root = exactly(request.root)
            exact = answered.retriever.search(replace(request, expression=root, root=root), snapshot=result.snapshot)
            if exact.ids:
                found = len(set(exact.ids).intersection(result.ids)) / len(exact.ids)
                self._metrics.recall.observe(found)
            explained = answered.retriever.search(request, True, result.snapshot).explanation
            for step in _steps(explained):
                if step.counters is not None:
                    self._metrics.scanned.observe(step.counters.documents_scanned)
                    for plan in step.counters.plans:
                        self._metrics.plans.labels(plan).inc()
        finally:
            now = time.monotonic()
            self._due_s = now + (now - started) / BUDGET
            self._taken.release()


def _is_approximate(answered: AnsweredSearch) -> bool:
    nodes = (node for node in walk(answered.request.root) if isinstance(node, Nn))
    return any((node.nprobe, node.scan, node.recall) != (None, None, None) for node in nodes)


def _steps(step: Step | None) -> Iterator[Step]:
    if step is not None:
        yield step
        for child in step.children:
            yield from _steps(child)
