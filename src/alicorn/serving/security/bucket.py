"""A token bucket: so many requests a second, and as many at once as a second brings."""


class TokenBucket:
    """per_second: tokens that come in, up to the number of one second, and at least one."""

    def __init__(self, per_second: float, now_s: float) -> None:
        self.per_second = per_second
        self._most = max(1.0, per_second)
        self._tokens = self._most
        self._filled_s = now_s

    def take(self, count: int, now_s: float) -> float:
        """Take tokens -> 0.0; or take none -> the seconds after which they will be there.

        More than the bucket holds can be taken when it is full: the debt is paid by waiting.
        """
        self._tokens = min(self._most, self._tokens + (now_s - self._filled_s) * self.per_second)
        self._filled_s = now_s
        needed = min(float(count), self._most)
        if self._tokens < needed - 1e-9:
            return (needed - self._tokens) / self.per_second
        self._tokens -= count
        return 0.0
