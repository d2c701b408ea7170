"""Admission: a request that would wait too long is refused at once, so that those that are taken on are answered soon.

The wait is estimated from the processor time that operations of its kind have taken, summed over all that are in
flight, and from how late the event loop is. Python runs one thread at a time, so work adds up whatever the cores.
Called on the event loop alone.
"""

import asyncio
from collections.abc import Hashable
from http import HTTPStatus

from starlette.exceptions import HTTPException

LONGEST_WAIT_S = 0.05
MOST_BODY_BYTES = 256 << 20
"""Bytes of all bodies that are being read or worked on."""
_RETRY_AFTER_S = 1  # a header of whole seconds
_LOOP_S = 0.0002  # of the event loop for a request, which no thread sees
_FIRST_S = 0.001  # of an operation that was never asked
_NEWEST = 0.05  # share of the newest request in the mean
_TICK_S = 0.01


class Admission:
    """The requests in flight of one server."""

    def __init__(self, longest_wait_s: float = LONGEST_WAIT_S, most_body_bytes: int = MOST_BODY_BYTES) -> None:
        self.refused = 0
        self.in_flight = 0
        self._longest_wait_s = longest_wait_s
        self._free_bytes = most_body_bytes
        self._means_s: dict[Hashable, float] = {}
        self._expected_s = 0.0
        self._late_s = 0.0
        self._ticks = False

    @property
    def wait_s(self) -> float:
        """How long the next request would wait."""
        return max(self._expected_s, self._late_s) if self.in_flight else 0.0

    def check(self) -> None:
        """Raise HTTPException, 429, where a request would wait too long. With none in flight it never does."""
        if self.wait_s > self._longest_wait_s:
            raise self._busy(f"the server is busy: a request would wait {self.wait_s * 1e3:.0f} ms")

    def enter(self, kind: Hashable) -> float:
        """A request begins to be worked on -> the processor seconds that are expected of it."""
        expected_s = self._means_s.get(kind, _FIRST_S)
        self._expected_s += expected_s
        self.in_flight += 1
        if not self._ticks:
            self._ticks = True
            self._tick(asyncio.get_running_loop())
        return expected_s

    def leave(self, kind: Hashable, expected_s: float, used_s: float) -> None:
        """It ended, after so much processor time of its thread."""
        self._expected_s = max(0.0, self._expected_s - expected_s)
        self.in_flight -= 1
        known = self._means_s.get(kind)
        took_s = used_s + _LOOP_S
        self._means_s[kind] = took_s if known is None else known + _NEWEST * (took_s - known)

    def hold(self, num_bytes: int) -> None:
        """Bytes of a body arrived. Raises HTTPException, 429, where all bodies together have too many."""
        if num_bytes > self._free_bytes:
            raise self._busy("the server is busy: it holds as many bytes of requests as it may")
        self._free_bytes -= num_bytes

    def free(self, num_bytes: int) -> None:
        """They are no longer needed."""
        self._free_bytes += num_bytes

    def _busy(self, message: str) -> HTTPException:
        self.refused += 1
        return HTTPException(HTTPStatus.TOO_MANY_REQUESTS, message, {"retry-after": str(_RETRY_AFTER_S)})

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float | None = None) -> None:
        """See how late the loop is, as long as there are requests."""
        now = loop.time()
        self._late_s = 0.0 if due is None else max(0.0, now - due)
        if self.in_flight:
            loop.call_later(_TICK_S, self._tick, loop, now + _TICK_S)
        else:
            self._ticks, self._late_s = False, 0.0
