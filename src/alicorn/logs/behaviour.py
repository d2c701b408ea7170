"""The activity of each searcher before each search, in the columns of vertical/behaviour.py.

    behaviour    search_id and the columns of request.behaviour, a row per search, in the order of time
    searchers    one row per searcher, with the same columns as they are after the last row of the log

Nothing at or after the time of a search is in its row: a click counts from the time of its impression on, and one of
the same microsecond does not. Elements of equal time are ordered by document, then kind. The events of a searcher are
adjacent, so that a window is a slice of them (timelines.py). Words are numbers until they are written.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _

from alicorn.errors import TableError
from alicorn.logs.tables import CLICK, Logs
from alicorn.logs.timelines import Moments, bisect, distinct, flat, in_order, micros, row_of, span
from alicorn.pairs import PairsWriter
from alicorn.tables import read_table
from alicorn.vertical import Behaviour
from alicorn.vertical.behaviour import PAST_QUERIES

_ROWS = 16_384  # searches written at once
_DAY_US = 86_400_000_000


class Histories:
    """The events of a log, ready to be looked up. Raises TableError for a kind that the log does not have."""

    def __init__(self, logs: Logs, searches: ibis.Table, settings: Behaviour) -> None:
        self.settings = settings
        self._documents = _documents(logs.copies["documents"], settings.attributes)
        self._kinds = pa.array(settings.kinds, pa.string())
        events = _events(logs, settings)
        self._events = in_order(events, {"item": self._documents["doc_id"], "kind": self._kinds})
        asked = searches.filter(_.searcher_id.notnull() & (_.query != "")).select("searcher_id", "time", "query")
        self._queries = distinct(asked, "query")
        self._asked = in_order(asked, {"query": self._queries})

    def before(self, searchers: pa.ChunkedArray, time: np.ndarray) -> pa.Table:
        """The columns of `settings` for searchers (null: nobody) at times, int64 microseconds; strictly before."""
        columns: dict[str, pa.Array] = {}
        moments, events = Moments(row_of(searchers, self._events.searchers), time), self._events
        first, end = span(events, moments)
        for name, window in self.settings.windows.items():
            start = np.maximum(first, end - window.newest)
            if window.days is not None:
                oldest = bisect(events.time, first, end, time - round(window.days * _DAY_US))
                start = np.maximum(start, oldest)
            at, offsets = flat(start, end)
            for part, column in self.settings.window_columns(name).items():
                columns[column] = _lists(offsets, self._values(part, at, np.repeat(time, end - start)))
            end = start
        if self.settings.past_queries:
            first, end = span(self._asked, Moments(row_of(searchers, self._asked.searchers), time))
            at, offsets = flat(np.maximum(first, end - self.settings.past_queries), end)
            columns[PAST_QUERIES] = _lists(offsets, self._queries.take(pa.array(self._asked.codes["query"][at])))
        return pa.table(columns)

    def _values(self, part: str, at: np.ndarray, now: np.ndarray) -> pa.Array:
        if part == "age_days":
            return pa.array(((now - self._events.time[at]) / _DAY_US).astype(np.float32))
        if part == "kind":
            return self._kinds.take(pa.array(self._events.codes["kind"][at]))
        of_document = self._documents["doc_id" if part == "item" else part]
        return of_document.take(pa.array(self._events.codes["item"][at]))

    def everybody(self) -> pa.Array:
        """Whoever did or asked anything, string, in order."""
        return pc.unique(pa.concat_arrays([self._events.searchers, self._asked.searchers])).sort()

    def last_time(self) -> int:
        """Of everything that is looked up; -1 where there is nothing."""
        return max((int(rows.time.max()) for rows in (self._events, self._asked) if len(rows.time)), default=-1)

    def __len__(self) -> int:
        return len(self._events.time)


def write_behaviour(logs: Logs, searches: ibis.Table, settings: Behaviour, writer: PairsWriter) -> dict[str, int]:
    """Write both tables; columns of searchers that are written already stay. Returns counts."""
    histories = Histories(logs, searches, settings)
    rows = searches.order_by("time", "search_id").select("search_id", "searcher_id", "time").to_pyarrow()
    with_any = 0

    def parts() -> Iterator[pa.Table]:
        nonlocal with_any
        for start in range(0, len(rows), _ROWS):
            part = rows.slice(start, _ROWS)
            found = histories.before(part["searcher_id"], micros(part["time"]))
            with_any += int((_lengths(found, settings) > 0).sum())
            yield pa.table({"search_id": part["search_id"], **{n: found[n] for n in found.column_names}})

    writer.write("behaviour", parts())  # of one part at least: logs without a search are refused
    _write_searchers(histories, writer)
    return {"behaviour_events": len(histories), "searches_with_behaviour": with_any}


def _write_searchers(histories: Histories, writer: PairsWriter) -> None:
    if "searchers" in writer.counts:
        known = read_table(writer.path("searchers"), "searchers")
    else:
        known = pa.table({"searcher_id": histories.everybody()})
    made = [column.name for column in histories.settings.columns()]
    if taken := [name for name in made if name in known.column_names]:
        raise TableError(
            f"table searchers: column '{taken[0]}' is one that request.behaviour makes: take it out of the log folder, "
            "or rename the window",
            table="searchers",
            column=taken[0],
        )
    now = np.full(len(known), histories.last_time() + 1, dtype=np.int64)
    state = histories.before(known["searcher_id"], now)
    for name in made:
        known = known.append_column(name, state[name])
    writer.write("searchers", known)


def _events(logs: Logs, settings: Behaviour) -> ibis.Table:
    """searcher_id, time, item, kind of every event of a wanted kind."""
    chosen = logs.impressions.filter(_.clicked & _.searcher_id.notnull() & _.doc_id.notnull())
    clicks = chosen.select("searcher_id", "time", item="doc_id", kind=ibis.literal(CLICK))
    if logs.activity is None:
        _refuse_unknown(settings, set())
        return clicks
    acts = logs.activity.select("searcher_id", "time", item="doc_id", kind="kind")
    _refuse_unknown(settings, set(acts.select("kind").distinct().to_pyarrow()["kind"].to_pylist()))
    acts = acts.filter(_.kind.isin(settings.kinds))
    return clicks.union(acts) if CLICK in settings.kinds else acts


def _refuse_unknown(settings: Behaviour, acts: set[str]) -> None:
    for kind in settings.kinds:
        if kind not in acts and kind != CLICK:
            raise TableError(
                f"table activity has no row of kind '{kind}', asked for by request.behaviour.kinds; kinds: "
                f"{', '.join(sorted(acts | {CLICK}))} ('{CLICK}' is a chosen result of a search)",
                table="activity",
                column="kind",
            )


def _documents(path: Path, names: Sequence[str]) -> dict[str, pa.Array]:
    """doc_id and the named columns of documents, string."""
    whole = read_table(path, "documents", ["doc_id", *names])
    return {name: whole[name].combine_chunks().cast(pa.string()) for name in ("doc_id", *names)}


def _lists(offsets: np.ndarray, values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def _lengths(found: pa.Table, settings: Behaviour) -> np.ndarray:
    """Elements of all windows in each row."""
    columns = [settings.window_columns(window)["item"] for window in settings.windows]
    lengths = np.array([pc.list_value_length(found[column]).to_numpy() for column in columns])
    result: np.ndarray = lengths.sum(axis=0)
    return result
