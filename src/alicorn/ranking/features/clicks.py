"""Features of a log's clicks: counts with decay, and popularity without the effect of positions."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from alicorn.ranking.features.candidates import Candidates
from alicorn.ranking.features.feature import RankFeature, missing


class Clicks(RankFeature):
    """Clicks before the request, each worth half as much after so many days; missing for what was never shown."""

    kind: Literal["clicks"]
    half_life_days: Annotated[float, Field(gt=0)] | None = 30.0

    def values(self, candidates: Candidates) -> np.ndarray:
        history = candidates.history
        return missing(candidates) if history is None else history.sums("clicks", self.half_life_days, candidates)


class Popularity(RankFeature):
    """Clicks over the clicks that the positions expect where the document was shown, both one click towards the mean.

    1 is as good as what is shown there on average, whatever the position; missing for what was never shown.
    Source: Zhang and Jones, "Comparing Click Logs and Editorial Labels for Training Query Rewriting", 2007.
    """

    kind: Literal["popularity"]

    def values(self, candidates: Candidates) -> np.ndarray:
        history = candidates.history
        if history is None:
            return missing(candidates)
        return (history.sums("clicks", None, candidates) + 1.0) / (history.sums("expected", None, candidates) + 1.0)
