"""The recipe's section that says what the grades of a log mean in each use: `grades`. Part of recipe.py.

grades: {positive: 0, negative: 0, validation: 0, weighting: none}     # the defaults: any grade above 0 is right
grades: {positive: 3, negative: 1, validation: 2}    # 3 and up are learned, up to 1 pushed away, 2 is neither
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from alicorn.config import Config

Grade = Annotated[float, Field(ge=0)]


class Grades(Config):
    """A click without a grade has grade 1, and so has what was reached after a failed search.

    positive: a chosen document is learned from, from this grade on. negative: up to this grade it may be a negative
    of its search, and is one of those that were shown and not clicked; never a positive. validation: a target of a
    validation search has at least this grade. weighting: linear, a pair counts by its grade, beside its weight.
    """

    positive: Grade = 0.0
    negative: Grade = 0.0
    validation: Grade = 0.0
    weighting: Literal["none", "linear"] = "none"

    def learned(self, grades: np.ndarray) -> np.ndarray:
        """bool (pairs,): those that may be positives."""
        result: np.ndarray = (grades > self.negative) & (grades >= self.positive)
        return result

    def weights(self, grades: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """float64 (pairs,): how much each pair counts. weights: of the log."""
        return weights * grades if self.weighting == "linear" else weights
