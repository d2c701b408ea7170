"""A share of the searches by text, answered again by a model that is not searched: how it would answer, and how fast.

Both models answer again, one after the other in the background, so that their times can be compared. Nobody sees the
answers, and nothing is logged.
"""

import threading
import time

from msgspec import Struct
from msgspec.structs import replace

from alicorn.errors import AlicornError
from alicorn.serving.api.search_endpoint import AnsweredSearch
from alicorn.serving.background import Background, EvenShare


class ShadowReport(Struct, frozen=True):
    """share: of the searches by text. searches: that both models answered. failed: that the shadow could not answer.
    agreement: mean share of the hits that both have. latency_ms, current_ms: mean of each model; null before the first.
    """

    share: float
    searches: int = 0
    failed: int = 0
    agreement: float | None = None
    latency_ms: float | None = None
    current_ms: float | None = None


class Shadow:
    """Of one embedding key."""

    def __init__(self, key: str, share: float, background: Background) -> None:
        self._key = key
        self._share = EvenShare(share)
        self._background = background
        self._lock = threading.Lock()
        self._report = ShadowReport(share)

    @property
    def report(self) -> ShadowReport:
        return self._report

    def see(self, answered: AnsweredSearch) -> None:
        """A search was answered."""
        asked, retriever = answered.asked, answered.retriever
        is_of_model = asked.text is not None and asked.expression is None and asked.mode != "boolean"
        if is_of_model and answered.request.models and self._key in retriever.models and self._share.takes():
            self._background.offer(lambda: self._answer(answered))

    def _answer(self, answered: AnsweredSearch) -> None:
        current = next(iter(answered.request.models))
        try:
            ids, ms = _answered_by(answered, self._key)
            served, served_ms = _answered_by(answered, current)
        except AlicornError:
            with self._lock:
                self._report = replace(self._report, failed=self._report.failed + 1)
            return
        with self._lock:
            old = self._report
            count = old.searches + 1
            same = len(set(ids) & set(served)) / max(1, len(served))
            self._report = ShadowReport(
                old.share,
                count,
                old.failed,
                _mean(old.agreement, same, count),
                _mean(old.latency_ms, ms, count),
                _mean(old.current_ms, served_ms, count),
            )


def _answered_by(answered: AnsweredSearch, key: str) -> tuple[list[str], float]:
    started = time.perf_counter()
    asked, retriever = answered.asked, answered.retriever
    request = retriever.request(
        text=asked.text,
        searcher=asked.searcher,
        context=asked.context,
        mode=asked.mode,
        key=key,
        limit=asked.limit,
        only=answered.request.only,
    )
    ids = retriever.search(request).ids
    return ids, (time.perf_counter() - started) * 1000.0


def _mean(before: float | None, value: float, count: int) -> float:
    return value if before is None else before + (value - before) / count
