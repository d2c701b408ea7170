"""When an answer is no longer wanted: its time is over, or the client has gone. Searches end early then."""

import asyncio
import ctypes
import time

from alicorn.errors import DeadlineError


class Deadline:
    """Of one request, counted from its arrival. Made on the event loop; `within` and `check` are called in any thread.

    address: of the flag at which the loops of a search look (query/wanted.py).
    """

    def __init__(self) -> None:
        self._arrived_s = time.perf_counter()
        self._timeout_ms: int | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = ctypes.c_int64(0)
        self.address = ctypes.addressof(self._is_over)
        self._is_answered = False
        self.is_gone = False

    def within(self, timeout_ms: int | None) -> None:
        """The request gives so much time; None: any."""
        self._timeout_ms = timeout_ms
        if timeout_ms is not None:
            self.check()
            self._loop.call_soon_threadsafe(self._start, timeout_ms)

    def leave(self) -> None:
        """The client has gone."""
        self.is_gone = True
        self._end()

    def close(self) -> None:
        """The request is answered."""
        self._is_answered = True
        if self._timer is not None:
            self._timer.cancel()

    @property
    def left_s(self) -> float | None:
        """Seconds that are left; None: any."""
        if self._timeout_ms is None:
            return None
        return max(0.0, self._timeout_ms / 1000.0 - (time.perf_counter() - self._arrived_s))

    def check(self) -> None:
        """Raise DeadlineError where nobody waits for the answer."""
        if self.is_gone:
            raise DeadlineError("the client has gone")
        if self._timeout_ms is None:
            return
        passed_ms = (time.perf_counter() - self._arrived_s) * 1000.0
        if self._is_over.value or passed_ms > self._timeout_ms:
            raise DeadlineError(
                f"timeout_ms is {self._timeout_ms}, and {passed_ms:.0f} ms have passed without an answer: give more"
                " time, or ask for less"
            )

    def _start(self, timeout_ms: int) -> None:
        if self._is_answered:
            return
        left_s = timeout_ms / 1000.0 - (time.perf_counter() - self._arrived_s)
        self._timer = self._loop.call_later(left_s, self._end)

    def _end(self) -> None:
        self._is_over.value = 1
