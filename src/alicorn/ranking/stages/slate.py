"""The hits of one request between two stages, and what every stage has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Protocol

import numpy as np
from pydantic import Field

from alicorn.config import Config
from alicorn.ranking.features import Candidates
from alicorn.ranking.features.feature import KnownNames
from alicorn.ranking.ranker import Ranker


@dataclass(frozen=True)
class Slate:
    """candidates, matrix: all that the expression gave, with their features (candidates, features).

    order, scores: the rows of those that the stages look at, best first, and the score of each by the last stage that
    scores. behind: rows that an earlier stage did not keep; they follow in this order.
    by_stage: stage -> the score that it gave each row, (candidates,), NaN where it did not look at it.
    """

    candidates: Candidates
    matrix: np.ndarray
    order: np.ndarray
    scores: np.ndarray
    behind: np.ndarray
    by_stage: Mapping[str, np.ndarray] = field(default_factory=dict)

    def noted(self, stage: str) -> Slate:
        """The scores as they are now are those of a stage."""
        scores = np.full(len(self.matrix), np.nan)
        scores[self.order] = self.scores
        return replace(self, by_stage={**self.by_stage, stage: scores})

    def taken(self, places: np.ndarray) -> Slate:
        """The hits at some places of the order; the others leave the answer."""
        return replace(self, order=self.order[places], scores=self.scores[places])

    def scored(self, scores: np.ndarray) -> Slate:
        """Ordered by new scores, (hits,); equal ones stay in their order."""
        places = np.argsort(-scores, kind="stable")
        return replace(self, order=self.order[places], scores=scores[places])

    def cut(self, keep: int | None) -> Slate:
        """The first `keep` go on, the others follow behind."""
        if keep is None or keep >= len(self.order):
            return self
        behind = np.concatenate([self.order[keep:], self.behind])
        return replace(self, order=self.order[:keep], scores=self.scores[:keep], behind=behind)


class RankingStage(Protocol):
    """What the pipeline asks of a stage."""

    @property
    def kind(self) -> str: ...

    @property
    def keep(self) -> int | None: ...

    @property
    def budget_ms(self) -> float | None: ...

    @property
    def scores(self) -> bool: ...

    def apply(self, slate: Slate, ranker: Ranker) -> Slate: ...

    def check(self, ranker: Ranker, known: KnownNames) -> None: ...


class StageConfig(Config):
    """keep: so many hits go on to the next stage; the others follow behind them. budget_ms: an answer whose stage takes
    longer says so in a notice. scores: whether it gives every hit a score."""

    scores: ClassVar[bool] = False
    keep: Annotated[int, Field(ge=1)] | None = None
    budget_ms: Annotated[float, Field(gt=0)] | None = None

    def check(self, ranker: Ranker, known: KnownNames) -> None:
        """Raises ValueError for a name that the ranker or the collection does not know."""
