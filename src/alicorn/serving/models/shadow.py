"""A share of the searches by text, answered again by a model that is not searched: how it would answer, and how fast.

Both models answer again, one after the other in the background, so that their times can be compared. Nobody sees the
answers, and nothing is logged.
"""

import time

from msgspec import Struct

from alicorn.errors import AlicornError
from alicorn.serving.api.search_endpoint import AnsweredSearch
from alicorn.serving.background import Background, EvenShare
from alicorn.serving.processes.shared import SharedNumbers


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

    def __init__(self, key: str, share: float, background: Background, numbers: SharedNumbers, place: int) -> None:
        """place: of its figures in the numbers that all processes see."""
        self.share = share
        self.place = place
        self._key = key
        self._even = EvenShare(share)
        self._background = background
        self._numbers = numbers
        self._sums = numbers.shadows[place]

    @property
    def report(self) -> ShadowReport:
        """Of all processes."""
        with self._numbers.locked():
            searches, failed, *sums = self._sums[:5]
        means = [total / searches for total in sums] if searches else [None, None, None]
        return ShadowReport(self.share, int(searches), int(failed), *means)

    def begin(self) -> None:
        """Its figures are of searches from now on."""
        with self._numbers.locked():
            for at in range(len(self._sums)):
                self._sums[at] = 0.0

    def see(self, answered: AnsweredSearch) -> None:
        """A search was answered."""
        asked, retriever = answered.asked, answered.retriever
        is_of_model = asked.text is not None and asked.expression is None and asked.mode != "boolean"
        if is_of_model and answered.request.models and self._key in retriever.models and self._even.takes():
            self._background.offer(lambda: self._answer(answered))

    def _answer(self, answered: AnsweredSearch) -> None:
        current = next(iter(answered.request.models))
        try:
            ids, ms = _answered_by(answered, self._key)
            served, served_ms = _answered_by(answered, current)
        except AlicornError:
            self._add(failed=1.0)
        else:
            self._add(1.0, 0.0, len(set(ids) & set(served)) / max(1, len(served)), ms, served_ms)

    def _add(self, searches: float = 0.0, failed: float = 0.0, *of_search: float) -> None:
        """of_search: agreement, and the milliseconds of both models."""
        with self._numbers.locked():
            for at, value in enumerate((searches, failed, *of_search)):
                self._sums[at] += value


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
