"""Work that no request waits for: one thread, few tasks waiting, and what does not fit is left out and counted."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_MOST_WAITING = 16
_log = logging.getLogger(__name__)


class Background:
    """left_out: tasks that were not done, because too many waited."""

    def __init__(self, most_waiting: int = _MOST_WAITING) -> None:
        self.left_out = 0
        self._thread = ThreadPoolExecutor(1, "alicorn-background")
        self._free = threading.Semaphore(most_waiting)

    def offer(self, task: Callable[[], None]) -> bool:
        """Do it some time, unless too much waits: False. A task that fails is a line of the log."""
        if not self._free.acquire(blocking=False):
            self.left_out += 1
            return False
        self._thread.submit(self._do, task)
        return True

    def wait(self) -> None:
        """Until all that was offered before is done."""
        self._thread.submit(lambda: None).result()

    def close(self) -> None:
        """What waits is left out."""
        self._thread.shutdown(cancel_futures=True)

    def _do(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception:
            _log.exception("a task in the background failed")
        finally:
            self._free.release()


class EvenShare:
    """Takes a share of what it sees, evenly: of .25 every fourth."""

    def __init__(self, share: float) -> None:
        self.share = share
        self._owed = 0.0
        self._lock = threading.Lock()

    def takes(self) -> bool:
        if not self.share:
            return False
        with self._lock:
            self._owed += self.share
            taken = self._owed >= 1.0
            self._owed -= taken
            return taken
