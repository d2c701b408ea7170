"""When an answer is no longer wanted: its time is over, or the client has gone."""

import time

from alicorn.errors import DeadlineError


class Deadline:
    """Of one request, counted from its arrival. Looked at between the stages of an answer."""

    def __init__(self) -> None:
        self._arrived_s = time.perf_counter()
        self._timeout_ms: int | None = None
        self.is_gone = False
        """Set when the client has gone."""

    def within(self, timeout_ms: int | None) -> None:
        """The request gives so much time; None: any."""
        self._timeout_ms = timeout_ms
        self.check()

    def check(self) -> None:
        """Raise DeadlineError where nobody waits for the answer."""
        if self.is_gone:
            raise DeadlineError("the client has gone")
        if self._timeout_ms is not None:
            passed_ms = (time.perf_counter() - self._arrived_s) * 1000.0
            if passed_ms > self._timeout_ms:
                raise DeadlineError(
                    f"timeout_ms is {self._timeout_ms}, and {passed_ms:.0f} ms have passed without an answer: give more"
                    " time, or ask for less"
                )
