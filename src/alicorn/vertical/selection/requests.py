"""Which texts need no `nn`: the rules of `selection.requests` (EBR 4.3)."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal, Protocol

from pydantic import Field

from alicorn.config import Config
from alicorn.text import words

PositiveDays = Annotated[float, Field(gt=0, le=36_500)]
Sign = Literal["constant", "words", "none", "one", "found", "name", "names", "words_of_one", "words_of_some"]
"""What words alone say of a text: the number of its words; whether its Boolean expression finds nothing, exactly one
document, how many; whether the whole text is a value of exactly one document, of how many; the number of words where
one document is found, where any is. Numbers by their logarithm, 0 for none; whether, as 1 or 0 (retrieval/signs.py)."""
Signs = Mapping[Sign, float]


class Untried(Protocol):
    """What a rule may ask about a text before it is searched.

    is_repeat: whether the text repeats, within so many days, one whose choice the Boolean expression still shows.
    """

    def is_repeat(self, days: float) -> bool: ...

    def signs(self) -> Signs: ...


class ShortRule(Config):
    """A text of fewer letters, combining marks and digits: what is near to `j` is chance."""

    kind: Literal["short"]
    characters: Annotated[int, Field(ge=1)]

    @property
    def label(self) -> str:
        return f"fewer than {self.characters} characters"

    def holds(self, text: str, untried: Untried) -> bool:
        return sum(map(len, words(text))) < self.characters


class RepeatRule(Config):
    """An easy repeat: the searcher chose a document for these words before, and words alone still find it."""

    kind: Literal["repeat"]
    days: PositiveDays

    @property
    def label(self) -> str:
        return f"repeated within {self.days:g} days"

    def holds(self, text: str, untried: Untried) -> bool:
        return untried.is_repeat(self.days)


class LearnedRule(Config):
    """Words alone will do, as the log of choices has taught (`tune --gate`).

    weights: of what words alone say of a text. The logistic function of their weighted sum is the NDCG@10 that the text
    is expected to lose without `nn`. at_most: the loss that is accepted.
    """

    kind: Literal["learned"]
    at_most: Annotated[float, Field(gt=0, lt=1)]
    weights: Annotated[dict[Sign, float], Field(min_length=1)]

    @property
    def label(self) -> str:
        return f"expected to lose at most {self.at_most:g} of NDCG@10 without nn"

    def holds(self, text: str, untried: Untried) -> bool:
        return expected_loss(self.weights, untried.signs()) <= self.at_most


def expected_loss(weights: Signs, signs: Signs) -> float:
    """The logistic function of a weighted sum; a sign without a weight counts nothing."""
    total = sum(weight * signs[sign] for sign, weight in weights.items())
    return 1.0 / (1.0 + math.exp(-total)) if total > -700.0 else 0.0


RequestRule = Annotated[ShortRule | RepeatRule | LearnedRule, Field(discriminator="kind")]
