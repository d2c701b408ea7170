"""Stages that look at the hits together: a relevance filter, diversity, at most n of a value."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from alicorn.ranking.features.feature import KnownNames, check_name
from alicorn.ranking.ranker import Ranker
from alicorn.ranking.stages.slate import Slate, StageConfig


class RelevanceFilter(StageConfig):
    """Hits whose feature is below a number leave the answer; those of which it is not known stay."""

    kind: Literal["filter"]
    feature: str
    at_least: float

    def apply(self, slate: Slate, ranker: Ranker) -> Slate:
        values = slate.matrix[slate.order, ranker.features.names.index(self.feature)]
        return slate.taken(np.flatnonzero(~(values < self.at_least)))

    def check(self, ranker: Ranker, known: KnownNames) -> None:
        check_name(self.feature, ranker.features.names, "feature")


class Diverse(StageConfig):
    """Maximal marginal relevance: one hit after the other, each the best by relevance * score - (1 - relevance) * the
    greatest cosine to a hit before it.

    Scores are scaled to [0, 1] among the hits. first: so many places are chosen so; the others keep their order. A
    document without the embedding is like no other. Source: Carbonell and Goldstein, SIGIR 1998.
    """

    kind: Literal["diverse"]
    key: str
    relevance: Annotated[float, Field(ge=0, le=1)] = 0.7
    first: Annotated[int, Field(ge=1)] = 20

    def apply(self, slate: Slate, ranker: Ranker) -> Slate:
        if len(slate.order) < 2:
            return slate
        candidates = slate.candidates
        vectors = np.nan_to_num(candidates.restored(candidates.vectors(self.key)))[slate.order]
        spread = float(np.ptp(slate.scores))
        scaled = (slate.scores - slate.scores.min()) / spread if spread > 0 else np.zeros(len(slate.order))
        nearest = np.zeros(len(slate.order))
        left = np.ones(len(slate.order), dtype=bool)
        places = []
        for _ in range(min(self.first, len(slate.order))):
            gains = np.where(left, self.relevance * scaled - (1 - self.relevance) * nearest, -np.inf)
            best = int(gains.argmax())
            places.append(best)
            left[best] = False
            cosines = vectors @ vectors[best]
            nearest = cosines if len(places) == 1 else np.maximum(nearest, cosines)
        return slate.taken(np.concatenate([places, np.flatnonzero(left)]).astype(np.int64))

    def check(self, ranker: Ranker, known: KnownNames) -> None:
        check_name(self.key, known.embeddings, "embedding key")


class AtMost(StageConfig):
    """At most so many hits of one value of a stored column come before all others; the rest of them follow.

    Hits without a value are not counted.
    """

    kind: Literal["at_most"]
    column: str
    most: Annotated[int, Field(ge=1)]

    def apply(self, slate: Slate, ranker: Ranker) -> Slate:
        seen: Counter[object] = Counter()
        ahead = np.ones(len(slate.order), dtype=bool)
        values = slate.candidates.given_values(self.column)
        for place, row in enumerate(slate.order):
            value = values[row]
            if value is not None:
                seen[value] += 1
                ahead[place] = seen[value] <= self.most
        return slate.taken(np.concatenate([np.flatnonzero(ahead), np.flatnonzero(~ahead)]))

    def check(self, ranker: Ranker, known: KnownNames) -> None:
        check_name(self.column, known.columns, "stored column")
        if pa.types.is_nested(known.columns[self.column]):
            raise ValueError(f"column '{self.column}' must have one value, got {known.columns[self.column]}")
