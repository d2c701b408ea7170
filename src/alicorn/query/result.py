"""The answer to one request: its first hits, each with its address in the snapshot that scored it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from alicorn.index import SegmentView, Snapshot
from alicorn.query.explain import Step


@dataclass(slots=True)
class Result:
    """The first hits of an expression. total counts all of them, whatever the limit.

    ids, scores: parallel; higher scores first, ties by doc_id. explanation: the steps, when asked for.
    notices: what a user should know about the answer: a likely misreading, an inner result that was cut.
    snapshot: what was searched. segments, numbers: (hits,) integers, the address of each hit in it: the place in
    `snapshot.segments` and the document number there. A result keeps its snapshot in memory, and its hits are read from
    it, whatever has been written since.
    """

    ids: list[str]
    scores: np.ndarray
    total: int
    took_ms: float
    snapshot: Snapshot
    segments: np.ndarray
    numbers: np.ndarray
    notices: tuple[str, ...] = ()
    explanation: Step | None = None

    def address(self, at: int) -> tuple[SegmentView, int]:
        """The segment of hit `at`, and its document number there."""
        return self.snapshot.segments[int(self.segments[at])], int(self.numbers[at])

    def document(self, at: int) -> dict[str, Any]:
        """doc_id, terms, static_rank and stored columns of hit `at`, as they were when it was scored."""
        view, number = self.address(at)
        return view.segment.document(number)
