"""Admission: a request that would wait too long is refused at once, so that those that are taken on are answered soon.

A request waits in one of two lanes. Quick ones run on the event loop, one between two looks at the sockets, so that a
refusal waits for one of them at most; the others run in a few threads. The wait of a lane is the time that is expected
of all that are in it, by what requests of the same kind have taken, for Python runs one thread at a time, and work adds
up whatever the cores. That of the quick lane is also how late the event loop is all the time, not once (as CoDel looks
at the least delay of an interval: Nichols and Jacobson 2012). Called on the event loop alone.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil

from starlette.exceptions import HTTPException

from alicorn.serving.processes.shared import SharedNumbers

LONGEST_WAIT_S = 0.03
ALWAYS_TAKEN = 32
"""Requests that are taken on whatever they wait, so that a slow machine answers as many connections."""
QUICK_S = 0.003
"""Requests of a kind that takes less may run on the event loop."""
NUM_THREADS = 2
MOST_BODY_BYTES = 256 << 20
"""Bytes of all bodies that are being read or worked on."""
_MOST_KINDS = 10_000
_LOOP_S = 0.0002  # of the event loop for a request, beside its answer
_NEWEST = 0.05  # least share of the newest request in the mean
_MOST_TIMES = 4.0  # the mean that a request counts at most, as the first one, which reads files, takes long
_TICK_S = 0.01
_TICKS = 4  # of which the least delay counts


class Lane:
    """So many requests at once; the others wait in the order in which they came."""

    def __init__(self, places: int) -> None:
        self._free = asyncio.Semaphore(places)
        self._expected_s = 0.0

    @property
    def wait_s(self) -> float:
        """How long the next request would wait."""
        return self._expected_s if self._free.locked() else 0.0

    @asynccontextmanager
    async def place(self, expected_s: float) -> AsyncIterator[None]:
        self._expected_s += expected_s
        try:
            await self._free.acquire()
            try:
                yield
            finally:  # after the loop has looked at its sockets
                asyncio.get_running_loop().call_soon(self._free.release)
        finally:
            self._expected_s = max(0.0, self._expected_s - expected_s)


@dataclass(slots=True)
class _Mean:
    """What a kind of request takes. One that was never asked is not quick, and is once its first was."""

    seconds: float = QUICK_S
    count: int = 1

    def add(self, seconds: float) -> None:
        self.count += 1
        taken = min(seconds, _MOST_TIMES * self.seconds)
        self.seconds += max(_NEWEST, 1.0 / self.count) * (taken - self.seconds)


class Admission:
    """The requests in flight of one process; the bytes of bodies are those of all."""

    def __init__(
        self,
        longest_wait_s: float = LONGEST_WAIT_S,
        most_body_bytes: int = MOST_BODY_BYTES,
        numbers: SharedNumbers | None = None,
        slot: int = 0,
        waits: bool = False,
        degrade_ms: float | None = None,
    ) -> None:
        """numbers: of all processes; None: this one is alone. slot: of this process. waits: whether an answer waits for
        other processes, so that none is quick whatever processor time it takes. degrade_ms: of degradation.py."""
        self.degrade_ms = degrade_ms
        self.refused = 0
        self.in_flight = 0
        self._longest_wait_s = longest_wait_s
        self._most_body_bytes = most_body_bytes
        self._numbers = numbers or SharedNumbers()
        self._slot = slot
        self._waits = waits
        self._means: dict[Hashable, _Mean] = {}
        self._quick, self._slow = Lane(1), Lane(NUM_THREADS)
        self._late_s: deque[float] = deque(maxlen=_TICKS)
        self._ticks = False
        self._coming = 0  # of which only the headers were read
        self._quick_mean = _Mean()  # of all kinds

    @property
    def wait_s(self) -> float:
        """How long the next quick request would wait."""
        if not self.in_flight:
            return 0.0
        return max(self._quick.wait_s, min(self._late_s) if len(self._late_s) == _TICKS else 0.0)

    @property
    def is_busy(self) -> bool:
        """Whether any request would be refused."""
        return self._is_too_long(self.wait_in_all_s, self._coming)

    @property
    def wait_in_all_s(self) -> float:
        """How long the next quick request would wait once those that are coming are in their lanes."""
        return self.wait_s + self._coming * self._quick_mean.seconds

    def comes(self) -> None:
        """The headers of a request were read, and its task begins next: until then it is in no lane."""
        self._coming += 1
        asyncio.get_running_loop().call_soon(self._came)

    def _came(self) -> None:
        self._coming -= 1

    def is_quick(self, kind: Hashable) -> bool:
        """Whether requests of this kind have been quick; a kind that was never asked has not."""
        return not self._waits and self._mean_s(kind) < QUICK_S

    def check(self, kind: Hashable, may_be_quick: bool) -> float:
        """How long a request would wait, in seconds. Raises HTTPException, 429, where that is too long."""
        is_quick = may_be_quick and self.is_quick(kind)
        wait_s = max(self.wait_s, 0.0 if is_quick else self._slow.wait_s)
        if self._is_too_long(wait_s):
            raise _refusal(*self.refuse(wait_s))
        return wait_s

    def refuse(self, wait_s: float) -> tuple[str, str]:
        """Count a request that would wait so long -> what it is told, and its Retry-After."""
        self.refused += 1
        return f"the server is busy: a request would wait {wait_s * 1e3:.0f} ms", str(ceil(wait_s))

    def _is_too_long(self, wait_s: float, coming: int = 0) -> bool:
        return self.in_flight + coming >= ALWAYS_TAKEN and wait_s > self._longest_wait_s

    @asynccontextmanager
    async def place(self, kind: Hashable, is_quick: bool) -> AsyncIterator[None]:
        """Wait for a place in a lane; the block is the work."""
        expected_s = self._mean_s(kind)
        self.in_flight += 1
        if not self._ticks:
            self._ticks = True
            self._tick(asyncio.get_running_loop())
        try:
            async with (self._quick if is_quick else self._slow).place(expected_s):
                yield
        finally:
            self.in_flight -= 1

    def took(self, kind: Hashable, seconds: float) -> None:
        """So much processor time took the answer to a request: on a busy machine it is other work that takes longer."""
        if kind not in self._means:
            if len(self._means) >= _MOST_KINDS:
                self._means.clear()
            self._means[kind] = _Mean()
        self._means[kind].add(seconds + _LOOP_S)
        if seconds < QUICK_S:
            self._quick_mean.add(seconds + _LOOP_S)

    def _mean_s(self, kind: Hashable) -> float:
        known = self._means.get(kind)
        return QUICK_S if known is None else known.seconds

    def hold(self, num_bytes: int) -> None:
        """Bytes of a body arrived. Raises HTTPException, 429, where all bodies together have too many."""
        held = self._numbers.held_bytes
        with self._numbers.locked():
            if sum(held) + num_bytes > self._most_body_bytes:
                self.refused += 1
                raise _refusal("the server is busy: it holds as many bytes of requests as it may", "1")
            held[self._slot] += num_bytes

    def free(self, num_bytes: int) -> None:
        """They are no longer needed."""
        self._numbers.held_bytes[self._slot] -= num_bytes

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


def _refusal(message: str, retry_after: str) -> HTTPException:
    return HTTPException(HTTPStatus.TOO_MANY_REQUESTS, message, {"retry-after": retry_after})
