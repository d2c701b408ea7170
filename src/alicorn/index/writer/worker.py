"""A thread for what need not be waited for: it lives while there is work, and no longer.

An idle collection has no thread. At the exit of the interpreter those that work are asked to abandon, and waited for;
they are daemons only so that the interpreter comes to that point.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable

_working: weakref.WeakSet[Worker] = weakref.WeakSet()


class Worker:
    """Calls `work` once or more after each `wake`, in one thread; what it raises is kept in `failure`."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.abandoned = threading.Event()  # `work` looks at it between its steps
        self._work = work
        self._lock = threading.Lock()
        self._wanted = False
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def wake(self) -> None:
        with self._lock:
            if self.abandoned.is_set():
                return
            self._wanted = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="alicorn-worker", daemon=True)
                _working.add(self)
                self._thread.start()

    def take_failure(self) -> BaseException | None:
        """What ended the last work, once."""
        with self._lock:
            failure, self._failure = self._failure, None
            return failure

    @property
    def busy(self) -> bool:
        with self._lock:
            return self._thread is not None

    def abandon(self) -> None:
        """Ask the work to end soon, wait for that, and start none again."""
        self.abandoned.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._wanted or self.abandoned.is_set():
                    self._thread = None
                    return
                self._wanted = False
            try:
                self._work()
            except BaseException as error:
                if not self.abandoned.is_set():
                    with self._lock:
                        self._failure = error


@atexit.register
def _abandon_all() -> None:
    for worker in list(_working):
        worker.abandon()
