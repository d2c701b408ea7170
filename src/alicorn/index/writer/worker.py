"""A background thread that starts when there is work, and ends when there is none: an idle collection has no thread.

The thread is a daemon, so that the interpreter can close the collection at exit (store.py), which ends the thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Worker:
    """Calls `work` once or more after each `wake`, in one thread; keeps its exception in `failure`."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.abandoned = threading.Event()  # `work` checks it between its steps
        self._work = work
        self._lock = threading.RLock()  # re-entrant: the garbage collector may run inside and close the collection
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
                self._thread.start()

    def take_failure(self) -> BaseException | None:
        """The exception that ended the last work; a second call returns None."""
        with self._lock:
            failure, self._failure = self._failure, None
            return failure

    @property
    def is_here(self) -> bool:
        """Whether the caller runs in the thread of this worker."""
        return self._thread is threading.current_thread()

    @property
    def busy(self) -> bool:
        with self._lock:
            return self._thread is not None

    def abandon(self) -> None:
        """Ask the work to end soon, wait for its end, and never start it again."""
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
