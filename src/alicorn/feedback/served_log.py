"""What was served and what came of it, as the log tables `searches`, `shown` and `events`, which `alicorn mine` reads.

    <folder>/searches/part-<number>.parquet    and shown/, events/: the columns of served.py
             journal-<number>.jsonl            what is in no part yet (journal.py)
             rankers/<fingerprint>.yaml        the rankers that ordered what was shown

Searches and events go into the journal of their process. Every `PART_S`, or once it has `PART_ROWS` rows, a journal is
replaced by a new one and its rows become, in a thread of their own, the parts of its number; `searches` is the last of
them, so that no search is there without what it showed. Several processes may write one folder. What a process that
ended left in its journal, whoever opens the folder next writes into parts, once: the parts of a number are the same
whenever they are written.

An event comes whenever its sender likes, of whatever search: reading tells what belongs together (logs/tables/).
"""

import datetime
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from alicorn.errors import AlicornError, cause
from alicorn.feedback.choices import Choices
from alicorn.feedback.journal import EventJournal, left_over, read_journal
from alicorn.feedback.served import ServedEvent, ServedSearch, log_tables

PART_S = 10 * 60
PART_ROWS = 200_000
CLICK = "click"
WRITING = "alicorn-served-log"
"""Name of the threads that write parts."""

_RECENT = 100_000  # searches whose clicks are remembered as choices of their searcher
_log = logging.getLogger(__name__)


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class ServedLog:
    """The log of one process. Every method may be called from any thread."""

    def __init__(
        self,
        folder: str | Path,
        now: Callable[[], datetime.datetime] = utc_now,
        elapsed_s: Callable[[], float] = time.monotonic,
        context: Mapping[str, pa.DataType] = MappingProxyType({}),
        swap: float = 0.0,
    ) -> None:
        """Go on with the log in `folder`, which is made where it is missing. Raises AlicornError where it cannot be.

        now: the time, with its zone. elapsed_s: seconds since any moment, by a clock that nobody sets.
        context: the columns of the context of a search. swap: the probability with which neighbours of a page change
        places (exploration.py).
        """
        self.swap = swap
        self._folder = Path(folder).absolute()  # the program may change its own
        self._now = now
        self._elapsed_s = elapsed_s
        self._context = context
        self._lock = threading.Lock()
        self._choices: Choices | None = None
        self._recent: dict[str, ServedSearch] = {}  # in the order in which they were served
        self._opened_us, self._opened_s = self.now_us(), elapsed_s()
        self._last_part_s = self._opened_s
        self._parts_lock = threading.Lock()
        self._described: set[str] = set()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._journal = EventJournal.create(self._folder)
            self._finished = list(left_over(self._folder))
        except OSError as error:
            message = f"served log {self._folder}: cannot be written: {cause(error)}"
            raise AlicornError(message) from error
        self._write_parts()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        return self._folder

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""
        since = self._now() - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        return since // datetime.timedelta(microseconds=1)

    def search(self, search: ServedSearch) -> None:
        """Log a search and what it showed; of its context, what is in the columns of the log's context."""
        known = {name: search.context[name] for name in self._context if name in search.context}
        with self._locked():
            self._journal.append([search if known == search.context else replace(search, context=known)])
            if self._choices is not None:
                self._recent[search.search_id] = replace(search, shown=(), scores={}, features=None, vectors=None)
                while len(self._recent) > _RECENT:
                    del self._recent[next(iter(self._recent))]
            is_due = self._journal.num_rows > PART_ROWS or self._elapsed_s() - self._last_part_s > PART_S
            if is_due:
                self._begin_journal()
        if is_due:
            threading.Thread(target=self._write_parts, name=WRITING, daemon=True).start()

    def describe_ranker(self, fingerprint: str, text: Callable[[], str]) -> None:
        """Keep what a ranker is, for whoever reads the searches that name it; once. Raises OSError."""
        if fingerprint in self._described:
            return
        path = self._folder / "rankers" / f"{fingerprint}.yaml"
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_name(f"_{new_search_id()}")
        temporary.write_text(text(), encoding="utf-8")
        os.replace(temporary, path)
        self._described.add(fingerprint)

    def events(self, events: Sequence[ServedEvent]) -> None:
        """Log what was reported."""
        with self._locked():
            self._journal.append(events)
            for event in events if self._choices is not None else ():
                self._remember(event)

    def remember(self, days: float) -> None:
        """From now on answer `chosen` for so many days, from the log that is there and from further clicks."""
        with self._locked():
            choices = Choices(days)
            choices.add_log(self._folder, self.now_us() - int(days * 86_400_000_000))
            self._choices = choices

    def chosen(self, searcher_id: str | None, query: str, days: float) -> Sequence[str]:
        """The documents that the searcher chose for these words in the last `days`; none without `remember`."""
        with self._locked():
            return () if self._choices is None else self._choices.of(searcher_id, query, self.now_us(), days)

    def flush(self) -> None:
        """Write parts of all that was logged until now."""
        with self._locked():
            self._begin_journal()
        self._write_parts()

    def close(self) -> None:
        """Flush, and let go of the folder. In a forked child this does nothing: the journal is the parent's."""
        if self._journal.is_inherited:
            return
        self.flush()
        self._journal.remove()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._journal.is_inherited:
            raise AlicornError(
                f"served log {self._folder}: opened by the process that forked this one, which writes it: open it "
                "after the fork"
            )
        with self._lock:
            yield

    def _begin_journal(self) -> None:
        self._last_part_s = self._elapsed_s()
        if self._choices is not None:  # what is old by one clock alone is kept: a clock set forward may be set back
            unset_us = self._opened_us + int((self._last_part_s - self._opened_s) * 1e6)
            self._choices.forget(min(unset_us, self.now_us()))
        following = EventJournal.create(self._folder)
        self._finished.append(self._journal)
        self._journal = following

    def _write_parts(self) -> None:
        """The parts of all finished journals. What cannot be written stays in its journal until the next time."""
        with self._parts_lock:
            with self._lock:
                finished, self._finished = self._finished, []
            while finished:
                try:
                    self._write_part(finished[0])
                except OSError as error:
                    _log.warning("served log %s: %s; it stays in the journal", self._folder, error.strerror or error)
                    with self._lock:
                        self._finished += finished
                    return
                finished.pop(0).remove()

    def _write_part(self, journal: EventJournal) -> None:
        for name, table in log_tables(*read_journal(journal.path), self._context).items():
            path = self._folder / name / f"part-{journal.number}.parquet"
            path.parent.mkdir(exist_ok=True)
            temporary = path.with_name(f"_{path.name}")  # readers pass over such names
            with temporary.open("wb") as file:
                pq.write_table(table, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)

    def _remember(self, event: ServedEvent) -> None:
        search = self._recent.get(event.search_id or "")
        if self._choices is not None and search is not None and event.action == CLICK and event.doc_id is not None:
            self._choices.add(search.searcher_id, search.query, event.doc_id, self.now_us())


def new_search_id() -> str:
    return uuid.uuid4().hex
