"""A collection that another process writes is looked at again: before a request that comes after a write, and once a
second where nobody says what was written.

It is read in a thread, and a request waits for that at most `MOST_WAIT_S`: a merged segment of many documents takes
longer to be read and checked, and until then requests see the collection as it was.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from starlette.types import ASGIApp, Receive, Scope, Send

from alicorn.query.any_collection import AnyCollection

EVERY_S = 1.0
MOST_WAIT_S = 0.2


class Follower:
    """Of a collection that another process writes; one of this process needs none, and is never behind."""

    def __init__(self, collection: AnyCollection, announced: Callable[[], int] | None = None) -> None:
        """announced: the number of commits that requests must see; None: nobody says."""
        self._collection = collection
        self._announced = announced or (lambda: 0)
        self._read_s = time.monotonic()
        self._thread = ThreadPoolExecutor(1, "alicorn-follower")
        self._reading: asyncio.Future[None] | None = None

    @property
    def age_s(self) -> float:
        """Seconds since the collection was looked at; 0 where this process writes it."""
        own = not (self._collection.read_only or self._collection.is_remote)
        return 0.0 if own else time.monotonic() - self._read_s

    @property
    def is_behind(self) -> bool:
        """Whether there is, or may be, something to read."""
        return self._announced() > self._collection.snapshot().sequence or self.age_s > EVERY_S

    async def follow(self) -> None:
        """Read what was committed until now, and wait for that a little. Raises CollectionError. On one event loop."""
        until_s = time.monotonic() + MOST_WAIT_S
        while (left_s := until_s - time.monotonic()) > 0.0:
            begins = self._reading is None
            if self._reading is None:
                self._reading = asyncio.get_running_loop().run_in_executor(self._thread, self._read)
            reading = self._reading
            await asyncio.wait({reading}, timeout=left_s)
            if not reading.done():
                return
            if self._reading is reading:
                self._reading = None
            reading.result()
            if begins or not self.is_behind:  # else it may have begun before the commit
                return

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    def _read(self) -> None:
        self._read_s = time.monotonic()
        self._collection.refresh()


class Follows:
    """Each request sees what was written before it came."""

    def __init__(self, app: ASGIApp, follower: Follower) -> None:
        self.app = app
        self.follower = follower

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.follower.is_behind:
            await self.follower.follow()
        await self.app(scope, receive, send)
