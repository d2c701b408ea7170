"""Features of the document alone, and of the channel that found it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from alicorn.index import SegmentView
from alicorn.ranking.features.candidates import Candidates
from alicorn.ranking.features.feature import KnownNames, RankFeature, check_name, check_number, check_time

_UNITS_A_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


class StaticRankScore(RankFeature):
    """The static rank of the document; 0 where its column is null."""

    kind: Literal["static_rank"]

    def values(self, candidates: Candidates) -> np.ndarray:
        return candidates.gathered(lambda view, numbers: view.segment.static_rank[numbers].astype(np.float64))


class FoundByChannel(RankFeature):
    """1 where a channel of the vertical's hybrid expression found it, else 0; missing where that is not known."""

    kind: Literal["channel"]
    channel: str

    def values(self, candidates: Candidates) -> np.ndarray:
        return candidates.found_by(self.channel)

    def check(self, known: KnownNames) -> None:
        check_name(self.channel, known.channels, "channel of expressions.hybrid")


class StoredNumber(RankFeature):
    """A stored column of numbers, booleans, dates or times, these in days."""

    kind: Literal["column"]
    column: str

    def values(self, candidates: Candidates) -> np.ndarray:
        return stored_numbers(candidates, self.column)

    def check(self, known: KnownNames) -> None:
        check_number(self.column, known)


class Age(RankFeature):
    """Days from a stored date or time to the request; below 0 where it is still to come."""

    kind: Literal["age"]
    column: str

    def values(self, candidates: Candidates) -> np.ndarray:
        return candidates.asked.time_us / _UNITS_A_DAY["us"] - stored_numbers(candidates, self.column)

    def check(self, known: KnownNames) -> None:
        check_time(self.column, known)


def stored_numbers(candidates: Candidates, column: str) -> np.ndarray:
    """(candidates,) float64; dates and times in days since 1970."""
    kind = candidates.snapshot.columns[column]
    a_day = _UNITS_A_DAY[kind.unit] if hasattr(kind, "unit") and "date" not in str(kind) else 1
    if str(kind).startswith("date64"):
        a_day = _UNITS_A_DAY["ms"]

    def numbers_of(view: SegmentView, numbers: np.ndarray) -> np.ndarray:
        own = view.segment.columns.get(column)
        if own is None:  # of before the column was known
            return np.full(len(numbers), np.nan)
        return np.where(own.valid[numbers], own.values[numbers].astype(np.float64) / a_day, np.nan)

    return candidates.gathered(numbers_of)
