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

_COPY = 1e-9
"""Variance of a hit that is a copy of those chosen: its logarithm stays finite."""


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
        vectors, scaled = _vectors(slate, self.key), _scaled(slate.scores)
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


class Determinantal(StageConfig):
    """A determinantal point process: one hit after the other, each the best by relevance * score + (1 - relevance) *
    log det of the likeness of the hits chosen with it. A near copy of what is chosen already adds nothing.

    Scores are scaled to [0, 1] among the hits; the likeness of two is (1 + cosine) / 2. first: so many places are
    chosen so; the others keep their order. A document without the embedding is like no other. Source: Chen, Zhang and
    Zhou, "Fast Greedy MAP Inference for Determinantal Point Process", NeurIPS 2018, algorithm 1 and section 5.
    """

    kind: Literal["determinantal"]
    key: str
    relevance: Annotated[float, Field(ge=0, lt=1)] = 0.7
    first: Annotated[int, Field(ge=1)] = 20

    def apply(self, slate: Slate, ranker: Ranker) -> Slate:
        if len(slate.order) < 2:
            return slate
        vectors, scaled = _vectors(slate, self.key), _scaled(slate.scores)
        unlike = np.flatnonzero(~vectors.any(axis=1))
        likeness = (1 + vectors @ vectors.T) / 2
        likeness[unlike], likeness[:, unlike] = 0.0, 0.0
        variances = np.ones(len(scaled))  # of each hit, given those that are chosen
        rows = np.zeros((min(self.first, len(scaled)), len(scaled)))  # of the Cholesky factor of the chosen
        places: list[int] = []
        for step in range(len(rows)):
            gains = self.relevance * scaled + (1 - self.relevance) * np.log(np.maximum(variances, _COPY))
            gains[places] = -np.inf
            best = int(gains.argmax())
            places.append(best)
            rows[step] = (likeness[best] - rows[:step].T @ rows[:step, best]) / np.sqrt(max(variances[best], _COPY))
            variances = variances - np.square(rows[step])
        left = np.setdiff1d(np.arange(len(scaled)), places)
        return slate.taken(np.concatenate([places, left]).astype(np.int64))

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


def _vectors(slate: Slate, key: str) -> np.ndarray:
    """(hits, dim) of the hits in their order; zero where a document has none."""
    candidates = slate.candidates
    found: np.ndarray = np.nan_to_num(candidates.restored(candidates.vectors(key)))[slate.order]
    return found


def _scaled(scores: np.ndarray) -> np.ndarray:
    """To [0, 1]; 0 where all are equal, and for a hit without a score: -inf in an order by `nn`."""
    has = np.isfinite(scores)
    scaled = np.zeros(len(scores))
    if has.any():
        least, spread = float(scores[has].min()), float(np.ptp(scores[has]))
        scaled[has] = (scores[has] - least) / (spread or 1.0)
    return scaled
