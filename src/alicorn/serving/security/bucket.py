"""Token buckets: of each key so many requests a second, and as many at once as a second brings, in all processes."""

from alicorn.serving.processes.shared import NUM_RATES, RATE_WORDS, SharedNumbers

_LOOKED_AT = 32
"""Rows in which a key may be. Where all have others, the key takes the row that was not used for the longest time: its
bucket is full again after a second, so nothing is lost but the debt of a batch."""


class TokenBuckets:
    """A row of the numbers that all processes see for each key."""

    def __init__(self, numbers: SharedNumbers) -> None:
        self._numbers = numbers
        self._whole, self._fractions = numbers.rates

    def take(self, sha256: str, per_second: float, count: int, now_s: float) -> float:
        """Take tokens of a key -> 0.0; or take none -> the seconds after which they will be there.

        sha256: hex, of the key. per_second: tokens that come in, up to the number of one second, and at least one. More
        than the bucket holds can be taken when it is full: the debt is paid by waiting. now_s: by a clock that all
        processes have.
        """
        most = max(1.0, per_second)
        with self._numbers.locked():
            at = self._row(int(sha256[:15], 16) + 1)
            if self._fractions[at + 1] == per_second:
                tokens, filled_s = self._fractions[at + 2], self._fractions[at + 3]
            else:
                tokens, filled_s = most, now_s
            tokens = min(most, tokens + (now_s - filled_s) * per_second)
            needed = min(float(count), most)
            is_enough = tokens >= needed - 1e-9
            left = tokens - count if is_enough else tokens
            self._fractions[at + 1], self._fractions[at + 2], self._fractions[at + 3] = per_second, left, now_s
        return 0.0 if is_enough else (needed - tokens) / per_second

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
