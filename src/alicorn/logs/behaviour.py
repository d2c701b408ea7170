"""What each searcher had done before each search, as vertical/behaviour.py asks. Called by mine.py.

    behaviour.parquet    session_id and the columns of request.behaviour, a row per search, in the order of time
    searchers.parquet    one row per searcher, with the same columns as they are after the last row of the log

Nothing at or after the time of a search is in its row: a click counts from the time of its impression on, and one of
the same microsecond does not. Elements of equal time are ordered by document, then kind. The events of a searcher
stand in a row, so that a window is a slice of them and is found by bisection. Words are numbers until they are
written.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ibis import _

from alicorn.errors import TableError
from alicorn.logs.tables import Logs
from alicorn.vertical import Behaviour
from alicorn.vertical.behaviour import PAST_QUERIES

_ROWS = 16_384  # searches written at once
_EVENTS = 1 << 20  # coded at once
_DAY_US = 86_400_000_000
CLICK = "click"


class _Events(NamedTuple):
    """Rows ordered by searcher, then time. Those of searchers[i]: starts[i] to starts[i + 1]."""

    searchers: pa.Array  # string, distinct
    starts: np.ndarray  # int64
    time: np.ndarray  # int64, microseconds since 1970
    codes: dict[str, np.ndarray]  # column -> int32, rows of its words


class _Moments(NamedTuple):
    """Of whom, and when: `searcher` is a row of _Events.searchers or -1, `time` microseconds."""

    searcher: np.ndarray
    time: np.ndarray


class Histories:
    """The events of a log, ready to be looked up. Raises TableError for a kind that the log does not have."""

    def __init__(self, logs: Logs, searches: ibis.Table, settings: Behaviour) -> None:
        self.settings = settings
        self._documents = _documents(logs.files["documents"], settings.attributes)
        self._kinds = pa.array(settings.kinds, pa.string())
        events = _events(logs, settings)
        self._events = _in_order(events, {"item": self._documents["doc_id"], "kind": self._kinds})
        asked = searches.filter(_.searcher_id.notnull() & (_.query != "")).select("searcher_id", "time", "query")
        self._queries = _distinct(asked, "query")
        self._asked = _in_order(asked, {"query": self._queries})

    def before(self, searchers: pa.ChunkedArray, time: np.ndarray) -> pa.Table:
        """The columns of `settings` for searchers (null: nobody) at times, int64 microseconds; strictly before."""
        columns: dict[str, pa.Array] = {}
        moments, events = _Moments(_row_of(searchers, self._events.searchers), time), self._events
        first, end = _span(events, moments)
        for name, window in self.settings.windows.items():
            start = np.maximum(first, end - window.newest)
            if window.days is not None:
                oldest = _bisect(events.time, first, end, time - round(window.days * _DAY_US))
                start = np.maximum(start, oldest)
            at, offsets = _flat(start, end)
            for part, column in self.settings.window_columns(name).items():
                columns[column] = _lists(offsets, self._values(part, at, np.repeat(time, end - start)))
            end = start
        if self.settings.past_queries:
            first, end = _span(self._asked, _Moments(_row_of(searchers, self._asked.searchers), time))
            at, offsets = _flat(np.maximum(first, end - self.settings.past_queries), end)
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


def write_behaviour(logs: Logs, searches: ibis.Table, settings: Behaviour, folder: Path) -> dict[str, int]:
    """Write both files into `folder`, where searchers.parquet may be already: its columns stay. Returns counts."""
    histories = Histories(logs, searches, settings)
    rows = searches.order_by("time", "session_id").select("session_id", "searcher_id", "time").to_pyarrow()
    with_any, writer = 0, None
    for start in range(0, len(rows), _ROWS):
        part = rows.slice(start, _ROWS)
        found = histories.before(part["searcher_id"], _micros(part["time"]))
        with_any += int((_lengths(found, settings) > 0).sum())
        table = pa.table({"session_id": part["session_id"], **{n: found[n] for n in found.column_names}})
        writer = writer or pq.ParquetWriter(folder / "behaviour.parquet", table.schema)
        writer.write_table(table)
    assert writer is not None, "mine refuses logs without a search"
    writer.close()
    _write_searchers(histories, folder / "searchers.parquet")
    return {"behaviour_events": len(histories), "searches_with_behaviour": with_any}


def _write_searchers(histories: Histories, path: Path) -> None:
    known = pq.read_table(path) if path.exists() else pa.table({"searcher_id": histories.everybody()})
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
    pq.write_table(known, path)


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


def _in_order(rows: ibis.Table, words: Mapping[str, pa.Array]) -> _Events:
    """Rows of searcher_id, time and coded columns. words: of each of these, string, every value that it has."""
    searchers = _distinct(rows, "searcher_id")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("searcher_id", "time", *words)}
    for batch in rows.order_by("searcher_id", "time", *words).to_pyarrow().to_batches(_EVENTS):
        parts["time"].append(_micros(batch["time"]))
        for name, known in {"searcher_id": searchers, **words}.items():
            codes = pc.index_in(batch[name].cast(pa.string()), known)
            parts[name].append(codes.to_numpy(zero_copy_only=False).astype(np.int32))
    whole = {name: np.concatenate([np.empty(0, dtype=np.int64), *found]) for name, found in parts.items()}
    starts = np.searchsorted(whole["searcher_id"], np.arange(len(searchers) + 1))
    return _Events(
        searchers, starts.astype(np.int64), whole["time"], {name: whole[name].astype(np.int32) for name in words}
    )


def _distinct(rows: ibis.Table, column: str) -> pa.Array:
    """string, in the order that order_by gives."""
    return rows.select(column).distinct().order_by(column).to_pyarrow()[column].combine_chunks().cast(pa.string())


def _documents(files: Sequence[Path], names: Sequence[str]) -> dict[str, pa.Array]:
    """doc_id and the named columns of documents, string."""
    tables = [pq.read_table(file, columns=["doc_id", *names]) for file in files]
    whole = pa.concat_tables(tables, promote_options="permissive")
    return {name: whole[name].combine_chunks().cast(pa.string()) for name in ("doc_id", *names)}


def _row_of(searchers: pa.ChunkedArray, known: pa.Array) -> np.ndarray:
    return pc.fill_null(pc.index_in(searchers.cast(pa.string()), known), -1).to_numpy().astype(np.int64)


def _span(events: _Events, moments: _Moments) -> tuple[np.ndarray, np.ndarray]:
    """The slice of a searcher's events that lies before each moment; empty for nobody."""
    nobody = moments.searcher < 0
    bounds = np.append(events.starts, 0)
    first = np.where(nobody, 0, bounds[moments.searcher])
    end = np.where(nobody, 0, bounds[moments.searcher + 1])
    return first, _bisect(events.time, first, end, moments.time)


def _bisect(time: np.ndarray, first: np.ndarray, end: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """In each slice [first, end) of ascending times, the first place whose time is not before `wanted`."""
    low, high = first.copy(), end.copy()
    while (open_ := np.flatnonzero(low < high)).size:
        middle = (low[open_] + high[open_]) // 2
        before = time[middle] < wanted[open_]
        low[open_[before]] = middle[before] + 1
        high[open_[~before]] = middle[~before]
    return low


def _flat(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of all slices [start, end) one after another, and int32 offsets between the slices."""
    lengths = end - start
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], lengths), offsets.astype(np.int32)


def _lists(offsets: np.ndarray, values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def _lengths(found: pa.Table, settings: Behaviour) -> np.ndarray:
    """Elements of all windows in each row."""
    columns = [settings.window_columns(window)["item"] for window in settings.windows]
    return np.sum([pc.list_value_length(found[column]).to_numpy() for column in columns], axis=0)


def _micros(time: pa.ChunkedArray | pa.Array) -> np.ndarray:
    return np.asarray(time.cast(pa.timestamp("us")).cast(pa.int64()))
