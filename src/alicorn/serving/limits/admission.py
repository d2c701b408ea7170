"""Admission: a request that would wait too long is refused at once, so that those that are taken on are answered soon.

The wait is estimated from the processor time that operations of its kind have taken, summed over all that are in
flight, and from how late the event loop is all the time, not once (as CoDel looks at the least delay of an interval:
Nichols and Jacobson 2012). Python runs one thread at a time, so work adds up whatever the cores. Called on the event
loop alone.
"""

import asyncio
from collections import deque
from collections.abc import Hashable
from http import HTTPStatus

from starlette.exceptions import HTTPException

LONGEST_WAIT_S = 0.1
MOST_BODY_BYTES = 256 << 20
"""Bytes of all bodies that are being read or worked on."""
_RETRY_AFTER_S = 1  # a header of whole seconds
_LOOP_S = 0.0002  # of the event loop for a request, which no thread sees
_FIRST_S = 0.001  # of an operation that was never asked
_NEWEST = 0.05  # share of the newest request in the mean
_MOST_TIMES = 4.0  # the mean that a request counts at most, as the first one, which reads files, takes long
_TICK_S = 0.01
_TICKS = 4  # of which the least delay counts


class Admission:
    """The requests in flight of one server."""

    def __init__(self, longest_wait_s: float = LONGEST_WAIT_S, most_body_bytes: int = MOST_BODY_BYTES) -> None:
        self.refused = 0
        self.in_flight = 0
        self._longest_wait_s = longest_wait_s
        self._free_bytes = most_body_bytes
        self._means_s: dict[Hashable, float] = {}
        self._expected_s = 0.0
        self._late_s: deque[float] = deque(maxlen=_TICKS)
        self._ticks = False

    @property
    def wait_s(self) -> float:
        """How long the next request would wait."""
        if not self.in_flight:
            return 0.0
        return max(self._expected_s, min(self._late_s) if len(self._late_s) == _TICKS else 0.0)

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
        known_s = self._means_s.get(kind, _FIRST_S)
        took_s = min(used_s + _LOOP_S, _MOST_TIMES * known_s)
        self._means_s[kind] = known_s + _NEWEST * (took_s - known_s)

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
        if due is not None:
            self._late_s.append(now - due)
        if self.in_flight:
            loop.call_later(_TICK_S, self._tick, loop, now + _TICK_S)
        else:
            self._ticks = False
            self._late_s.clear()
