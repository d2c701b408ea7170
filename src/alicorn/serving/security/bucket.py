"""Token buckets: of each key, and of the server, so many requests a second, and as many at once as a second brings, in
all processes."""

from collections.abc import Sequence
from typing import NamedTuple

from alicorn.serving.processes.shared import NUM_RATES, RATE_WORDS, SharedNumbers

_LOOKED_AT = 32
"""Rows in which a key may be. Where all have others, the key takes the row that was not used for the longest time: its
bucket is full again after a second, so nothing is lost but the debt of a batch."""


class Rate(NamedTuple):
    """Of whom: sha256, hex. per_second: tokens that come in, up to the number of one second, and at least one."""

    sha256: str
    per_second: float

    @property
    def most(self) -> float:
        """Tokens that its bucket holds."""
        return max(1.0, self.per_second)


class TokenBuckets:
    """A row of the numbers that all processes see for each rate."""

    def __init__(self, numbers: SharedNumbers) -> None:
        self._numbers = numbers
        self._whole, self._fractions = numbers.rates

    def take(self, rates: Sequence[Rate], count: int, now_s: float) -> list[float]:
        """Take `count` tokens of each rate -> 0.0 for each; or take none of any, where one has too few -> the seconds
        after which each will have them.

        More than a bucket holds can be taken when it is full: the debt is paid by waiting. now_s: by a clock that all
        processes have.
        """
        with self._numbers.locked():
            rows = [self._filled(rate, now_s) for rate in rates]
            short = [min(float(count), of.most) - self._fractions[at + 2] for of, at in zip(rates, rows, strict=True)]
            if all(tokens <= 1e-9 for tokens in short):
                for at in rows:
                    self._fractions[at + 2] -= count
                return [0.0] * len(rates)
        return [max(0.0, tokens / rate.per_second) for tokens, rate in zip(short, rates, strict=True)]

    def _filled(self, rate: Rate, now_s: float) -> int:
        """The first word of its row, with the tokens that came in until now."""
        at = self._row(int(rate.sha256[:15], 16) + 1)
        tokens = rate.most
        if self._fractions[at + 1] == rate.per_second:
            tokens = min(tokens, self._fractions[at + 2] + (now_s - self._fractions[at + 3]) * rate.per_second)
        self._fractions[at + 1], self._fractions[at + 2], self._fractions[at + 3] = rate.per_second, tokens, now_s
        return at

    def _row(self, number: int) -> int:
        """Its first word; of a key that had none, the row is empty."""
        oldest = number % NUM_RATES * RATE_WORDS
        for step in range(_LOOKED_AT):
            at = (number + step) % NUM_RATES * RATE_WORDS
            if self._whole[at] == number:
                return at
            if self._whole[at] == 0:
                oldest = at
                break
            if self._fractions[at + 3] < self._fractions[oldest + 3]:
                oldest = at
        self._whole[oldest] = number
        self._fractions[oldest + 1] = 0.0
        return oldest
