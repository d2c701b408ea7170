"""The events of each searcher in the order of time, and the slice of them before a given moment.

All rows are in one table, those of a searcher together, the oldest first: bisection finds a slice, for every search at
once.
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alicorn.tables import row_batches


class Timelines(NamedTuple):
    """Rows ordered by searcher, then time. Those of searchers[i]: starts[i] to starts[i + 1]."""

    searchers: pa.Array  # string, distinct
    starts: np.ndarray  # int64
    time: np.ndarray  # int64, microseconds since 1970
    codes: dict[str, np.ndarray]  # column -> int32, rows of its words


class Moments(NamedTuple):
    """Of whom, and when: `searcher` is a row of Timelines.searchers or -1, `time` microseconds."""

    searcher: np.ndarray
    time: np.ndarray


def in_order(rows: ibis.Table, words: Mapping[str, pa.Array]) -> Timelines:
    """Rows of searcher_id, time and coded columns. words: of each of these, string, every value that it has."""
    searchers = distinct(rows, "searcher_id")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("searcher_id", "time", *words)}
    for batch in _ordered(rows.order_by("searcher_id", "time", *words)):
        parts["time"].append(micros(batch["time"]))
        for name, known in {"searcher_id": searchers, **words}.items():
            codes = pc.index_in(batch[name].cast(pa.string()), known)
            parts[name].append(codes.to_numpy(zero_copy_only=False).astype(np.int32))
    whole = {name: np.concatenate([np.empty(0, dtype=np.int64), *found]) for name, found in parts.items()}
    starts = np.searchsorted(whole["searcher_id"], np.arange(len(searchers) + 1))
    return Timelines(
        searchers, starts.astype(np.int64), whole["time"], {name: whole[name].astype(np.int32) for name in words}
    )


def _ordered(rows: ibis.Table) -> Iterator[pa.RecordBatch]:
    """The rows by way of a file: there may be more of them than fit into memory."""
    with tempfile.TemporaryDirectory(prefix="alicorn-logs-") as temporary:
        rows.to_parquet(path := Path(temporary) / "ordered.parquet")
        with pq.ParquetFile(path) as file:
            yield from row_batches(file)


def distinct(rows: ibis.Table, column: str) -> pa.Array:
    """string, in the order that order_by gives."""
    return rows.select(column).distinct().order_by(column).to_pyarrow()[column].combine_chunks().cast(pa.string())


def row_of(searchers: pa.ChunkedArray, known: pa.Array) -> np.ndarray:
    rows: np.ndarray = pc.fill_null(pc.index_in(searchers.cast(pa.string()), known), -1).to_numpy()
    return rows.astype(np.int64)


def span(events: Timelines, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
    """The slice of a searcher's events before each moment; empty for nobody."""
    nobody = moments.searcher < 0
    bounds = np.append(events.starts, 0)
    first = np.where(nobody, 0, bounds[moments.searcher])
    end = np.where(nobody, 0, bounds[moments.searcher + 1])
    return first, bisect(events.time, first, end, moments.time)


def bisect(time: np.ndarray, first: np.ndarray, end: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """In each slice [first, end) of ascending times, the first place whose time is not before `wanted`."""
    low, high = first.copy(), end.copy()
    while (open_ := np.flatnonzero(low < high)).size:
        middle = (low[open_] + high[open_]) // 2
        before = time[middle] < wanted[open_]
        low[open_[before]] = middle[before] + 1
        high[open_[~before]] = middle[~before]
    return low


def flat(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of all slices [start, end) one after another, and int32 offsets between the slices."""
    lengths = end - start
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], lengths), offsets.astype(np.int32)


def micros(time: pa.ChunkedArray | pa.Array) -> np.ndarray:
    return np.asarray(time.cast(pa.timestamp("us")).cast(pa.int64()))
