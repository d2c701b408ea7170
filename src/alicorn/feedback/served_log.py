"""What was served and what was chosen, as the log table `impressions`, which `alicorn mine` reads.

    <folder>/impressions/part-<number>.parquet    finished searches: search_id string, searcher_id string or null,
                                                  time timestamp[us] UTC, query, doc_id string or null, position int32
                                                  from 1 or null, clicked bool, source string, and the columns of
                                                  the vertical's request.context
             open-<number>.jsonl                  searches that may still get a click (journal.py)
             served.lock                          held by the one process that writes

A search waits `CLICK_WINDOW_S` for clicks; then its rows go to the next part, written at most every `PART_S`. A search
that showed nothing is one row without doc_id and position. Beside `documents` and `searchers`, the folder is a log
folder for `alicorn mine`. The times of the rows are those of the machine's clock, which may be set forward or back; how
long a search has waited is measured by a clock that only goes forward, from the start of the process at the earliest.

A part is written under another name, synced and renamed; then a new journal with the searches still open replaces the
old. After a crash in between, journal n and part n both exist: what part n holds is dropped from the journal.
"""

import datetime
import fcntl
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from alicorn.errors import AlicornError
from alicorn.feedback.choices import Choices
from alicorn.feedback.journal import EventJournal, ServedSearch, read_journal
from alicorn.processes import forget_in_children
from alicorn.tables import array_of_json

CLICK_WINDOW_S = 30 * 60
PART_S = 10 * 60
MAX_OPEN_ROWS = 200_000  # about 100 MB: beyond, the older half is written without waiting for clicks

SCHEMA = pa.schema(
    [
        pa.field("search_id", pa.string(), nullable=False),
        ("searcher_id", pa.string()),
        pa.field("time", pa.timestamp("us"), nullable=False),
        pa.field("query", pa.string(), nullable=False),
        ("doc_id", pa.string()),
        ("position", pa.int32()),
        pa.field("clicked", pa.bool_(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
    ]
)


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class ServedLog:
    """The log of one server. Every method may be called from any thread."""

    def __init__(
        self,
        folder: str | Path,
        now: Callable[[], datetime.datetime] = utc_now,
        elapsed_s: Callable[[], float] = time.monotonic,
        context: Mapping[str, pa.DataType] = MappingProxyType({}),
    ) -> None:
        """Continue the log in `folder`, which is made where it is missing. Raises AlicornError where it is in use.

        now: the time, with its zone. elapsed_s: seconds since any moment, by a clock that nobody sets.
        context: the columns of the context of a search.
        """
        self._folder = Path(folder).absolute()  # the program may change its own
        self._parts = self._folder / "impressions"
        self._now = now
        self._elapsed_s = elapsed_s
        self._context = context
        self._lock = threading.Lock()
        self._choices: Choices | None = None
        self._open: dict[str, ServedSearch] = {}  # in the order in which they were served
        self._num_open_rows = 0
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
            self._lock_file = FolderLock(self._folder)
        except OSError as error:
            message = f"served log {self._folder}: cannot be written: {error.strerror or error}"
            raise AlicornError(message) from error
        self._number, searches = self._left_over()
        self._keep(searches)
        self._journal = self._new_journal()
        self._opened_us, self._opened_s = self._microseconds(), elapsed_s()
        self._last_part_s = self._opened_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(
        self,
        searcher_id: str | None,
        query: str,
        doc_ids: Sequence[str],
        source: str,
        context: Mapping[str, Any] = MappingProxyType({}),
    ) -> str:
        """Log one search and the documents that it showed, in order -> its search_id, under which clicks come.

        context: JSON values by column; those of no column of the log's context are not kept.
        """
        known = {name: context[name] for name in self._context if name in context}
        shown = list(dict.fromkeys(doc_ids))
        with self._locked():
            served = ServedSearch(uuid.uuid4().hex, searcher_id, self._microseconds(), query, source, shown, known)
            self._journal.search(served)
            self._keep([served])
            if self._num_open_rows > MAX_OPEN_ROWS:
                self._write_part(list(self._open.values())[: (len(self._open) + 1) // 2])
            elif self._elapsed_s() - self._last_part_s > PART_S:
                self._write_part(self._finished())
        return served.search_id

    def click(self, search_id: str, doc_id: str) -> bool:
        """Log that a shown document was chosen. False: no open search of that id showed it, and nothing was logged."""
        with self._locked():
            search = self._open.get(search_id)
            if search is None or doc_id not in search.doc_ids:
                return False
            if doc_id not in search.clicked:
                self._journal.click(search_id, doc_id)
                search.clicked.add(doc_id)
                if self._choices is not None:
                    self._choices.add(search.searcher_id, search.query, doc_id, self._microseconds())
            return True

    def remember(self, days: float) -> None:
        """From now on answer `chosen` for so many days, from the log that is there and from further clicks."""
        with self._locked():
            choices, now_us = Choices(days), self._microseconds()
            since_us = now_us - int(days * 86_400_000_000)
            for path in self._parts.glob("part-*.parquet"):
                choices.add_table(pq.read_table(path), since_us)
            for search in self._open.values():
                for doc_id in search.clicked:
                    choices.add(search.searcher_id, search.query, doc_id, search.time_us)
            self._choices = choices

    def chosen(self, searcher_id: str | None, query: str, days: float) -> Sequence[str]:
        """The documents that the searcher chose for these words in the last `days`; none without `remember`."""
        with self._locked():
            return () if self._choices is None else self._choices.of(searcher_id, query, self._microseconds(), days)

    def flush(self) -> None:
        """Write a part of all that was served until now; later clicks on it are lost."""
        with self._locked():
            self._write_part(list(self._open.values()))

    def close(self) -> None:
        """Flush, and let go of the folder. In a forked child this does nothing: the folder is the parent's."""
        if self._lock_file.is_inherited:
            return
        self.flush()
        self._journal.close()
        self._lock_file.release()

    def __del__(self) -> None:
        """Without `close`, the journal keeps what is in no part yet."""
        with suppress(AttributeError):  # it was never opened
            self._journal.close()
            self._lock_file.release()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._lock_file.is_inherited:
            raise AlicornError(
                f"served log {self._folder}: opened by the process that forked this one, which writes it: give each "
                "worker its own folder, opened after the fork"
            )
        with self._lock:
            yield

    def _left_over(self) -> tuple[int, list[ServedSearch]]:
        """The number of the next journal, and the searches that an earlier process left open."""
        journals = sorted(self._folder.glob("open-*.jsonl"), key=_number_of)
        parts = list(self._parts.glob("part-*.parquet"))
        number = 1 + max(map(_number_of, [*journals, *parts]), default=0)
        if not journals:
            return number, []
        searches = read_journal(journals[-1])
        part = self._part(_number_of(journals[-1]))
        written = set(pq.read_table(part, columns=["search_id"])["search_id"].to_pylist()) if part.exists() else set()
        return number, [search for search in searches if search.search_id not in written]

    def _new_journal(self) -> EventJournal:
        """A journal of all open searches, which makes the older ones superfluous."""
        journal = EventJournal(self._folder / f"open-{self._number:08d}.jsonl", self._open.values())
        for path in self._folder.glob("open-*.jsonl"):
            if path != journal.path:
                path.unlink()
        return journal

    def _keep(self, searches: Sequence[ServedSearch]) -> None:
        for search in searches:
            search.since_s = self._elapsed_s()
            self._open[search.search_id] = search
            self._num_open_rows += search.num_rows

    def _finished(self) -> list[ServedSearch]:
        before_s = self._elapsed_s() - CLICK_WINDOW_S
        return [search for search in self._open.values() if search.since_s <= before_s]

    def _write_part(self, searches: list[ServedSearch]) -> None:
        self._last_part_s = self._elapsed_s()
        if self._choices is not None:  # what is old by one clock alone is kept: a clock set forward may be set back
            unset_us = self._opened_us + int((self._last_part_s - self._opened_s) * 1e6)
            self._choices.forget(min(unset_us, self._microseconds()))
        if not searches:
            return
        temporary = self._part(self._number).with_suffix(".writing")
        with temporary.open("wb") as file:
            pq.write_table(impressions(searches, self._context), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._part(self._number))
        for search in searches:
            self._num_open_rows -= self._open.pop(search.search_id).num_rows
        self._number += 1
        self._journal.close()
        self._journal = self._new_journal()

    def _part(self, number: int) -> Path:
        return self._parts / f"part-{number:08d}.parquet"

    def _microseconds(self) -> int:
        since = self._now() - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        return since // datetime.timedelta(microseconds=1)


def impressions(
    searches: Sequence[ServedSearch], context: Mapping[str, pa.DataType] = MappingProxyType({})
) -> pa.Table:
    """One row per shown document, and one without document for a search that showed none."""
    rows = [
        {
            "search_id": search.search_id,
            "searcher_id": search.searcher_id,
            "time": search.time_us,
            "query": search.query,
            "doc_id": doc_id,
            "position": None if doc_id is None else position,
            "clicked": doc_id in search.clicked,
            "source": search.source,
        }
        for search in searches
        for position, doc_id in enumerate(search.doc_ids or [None], start=1)
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    for name, kind in context.items():
        values = [search.context.get(name) for search in searches for _ in range(search.num_rows)]
        table = table.append_column(name, array_of_json(values, kind, "impressions", name))
    return table


def _number_of(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


class FolderLock:
    """Held by one process, from construction to `release`; a forked child lets go of its copy at once."""

    def __init__(self, folder: Path) -> None:
        self.is_inherited = False
        self._descriptor: int | None = os.open(folder / "served.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            message = f"served log {folder}: another server is writing it: give each server its own folder"
            raise AlicornError(message) from error
        forget_in_children(self)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def forget(self) -> None:
        """In a forked child."""
        self.release()
        self.is_inherited = True
