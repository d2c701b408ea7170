"""The clicks of a log up to a time, which features count.

Everything is as of the moment before a request. So a search of the log never sees its own click or a later one, and a
request that is served sees the whole log.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alicorn.errors import ModelError, cause
from alicorn.index import Segment
from alicorn.tables import plain_table

if TYPE_CHECKING:
    from alicorn.ranking.features.candidates import Candidates

_What = Literal["clicks", "expected"]
_A_DAY = 86_400  # seconds
_LATEST = 2**32 - 1
_DEEPEST = 10_000  # position: those behind share what they expect


class ClickHistory:
    """Every document that was shown, with its time, whether it was clicked, and the clicks that its position expects.

    doc_ids: (documents,). keys: (shown,) int64, row of the document << 32 | seconds since 1970, ascending. clicks,
    expected: (shown,) float64.
    """

    def __init__(self, doc_ids: pa.Array, keys: np.ndarray, clicks: np.ndarray, expected: np.ndarray) -> None:
        self.doc_ids, self.keys, self.clicks, self.expected = doc_ids, keys, clicks, expected
        self._rows: WeakKeyDictionary[Segment, np.ndarray] = WeakKeyDictionary()
        self._sums: dict[tuple[str, float | None], np.ndarray] = {}

    @classmethod
    def of(cls, shown: pa.Table) -> ClickHistory:
        """shown: doc_id, time (timestamp), position (from 1, null where it is not known), clicked.

        A position expects its share of clicks in the whole table: clicks over expected clicks (Zhang and Jones 2007).
        """
        coded = shown["doc_id"].combine_chunks().dictionary_encode()
        seconds = np.asarray(shown["time"].cast(pa.timestamp("us")).cast(pa.int64())) // 1_000_000
        keys = np.asarray(coded.indices).astype(np.int64) << 32 | np.clip(seconds, 0, _LATEST)
        positions = np.minimum(np.asarray(pc.fill_null(shown["position"], 0)).astype(np.int64), _DEEPEST)
        clicks = np.asarray(shown["clicked"]).astype(np.float64)
        shares = np.bincount(positions, clicks) / np.maximum(np.bincount(positions), 1)
        order = np.argsort(keys, kind="stable")
        return cls(coded.dictionary, keys[order], clicks[order], shares[positions][order])

    def save(self, path: Path) -> None:
        """As Parquet: doc_id, seconds, clicked, expected."""
        rows = pa.array(self.keys >> 32)
        columns = {
            "doc_id": pa.DictionaryArray.from_arrays(rows.cast(pa.int32()), self.doc_ids),
            "seconds": self.keys & _LATEST,
            "clicked": self.clicks,
            "expected": self.expected,
        }
        pq.write_table(pa.table(columns), path, compression="zstd")

    @classmethod
    def load(cls, path: Path) -> ClickHistory:
        """Raises ModelError."""
        if not path.is_file():
            raise ModelError(f"{path} is missing, and features count clicks: learn the ranker again")
        try:
            table = pq.read_table(path)
            coded = plain_table(table, "clicks")["doc_id"].combine_chunks().dictionary_encode()
            keys = np.asarray(coded.indices).astype(np.int64) << 32 | np.asarray(table["seconds"])
            order = np.argsort(keys, kind="stable")
            clicks, expected = (np.asarray(table[name])[order] for name in ("clicked", "expected"))
        except (pa.ArrowInvalid, OSError, KeyError) as error:
            raise ModelError(f"{path} cannot be read: {cause(error)}; learn the ranker again") from error
        return cls(coded.dictionary, keys[order], clicks, expected)

    def last_before(self, segment: Segment, numbers: np.ndarray, time_us: int) -> np.ndarray:
        """(n,) int64: the last row of each document before a time, -1 where it was not shown before."""
        if not len(self.keys):
            return np.full(len(numbers), -1)
        rows = self._rows_of(segment)[numbers]
        at = np.searchsorted(self.keys, np.maximum(rows, 0) << 32 | _seconds(time_us)) - 1
        return np.where((rows >= 0) & (at >= 0) & (self.keys[at] >> 32 == rows), at, -1)

    def sums(self, what: _What, half_life_days: float | None, candidates: Candidates) -> np.ndarray:
        """(candidates,) float64 before the request; NaN for a document that was not shown before it."""
        at = candidates.shown_before
        if not len(self.keys):
            return np.full(len(candidates), np.nan)
        sums = self._running(what, half_life_days)[at]
        if half_life_days is not None:
            age = _seconds(candidates.asked.time_us) - (self.keys[at] & _LATEST)
            sums = sums * np.exp2(-np.maximum(age, 0) / (half_life_days * _A_DAY))
        return np.where(at >= 0, sums, np.nan)

    def _rows_of(self, segment: Segment) -> np.ndarray:
        """(num_docs,) int64: the row of each document, -1 where it was never shown."""
        if segment not in self._rows:
            found = pc.index_in(segment.doc_ids.cast(pa.string()), self.doc_ids)
            self._rows[segment] = np.asarray(pc.fill_null(found, -1)).astype(np.int64)
        return self._rows[segment]

    def _running(self, what: _What, half_life_days: float | None) -> np.ndarray:
        """(shown,): the sum of a document up to and with each of its rows, as of the time of that row."""
        if (what, half_life_days) not in self._sums:
            values = self.clicks if what == "clicks" else self.expected
            self._sums[what, half_life_days] = _running_sums(self.keys, values, half_life_days)
        return self._sums[what, half_life_days]


def _seconds(time_us: int) -> int:
    return min(max(time_us // 1_000_000, 0), _LATEST)


def _running_sums(keys: np.ndarray, values: np.ndarray, half_life_days: float | None) -> np.ndarray:
    """The nth rows of all documents are added together, n after n."""
    starts = np.flatnonzero(np.diff(keys >> 32, prepend=-1))
    counts = np.diff(np.append(starts, len(keys)))
    kept = np.ones(len(keys))
    if half_life_days is not None:
        kept[1:] = np.exp2(-np.maximum(np.diff(keys & _LATEST), 0) / (half_life_days * _A_DAY))
    sums = values.copy()
    by_count = np.argsort(-counts, kind="stable")
    for nth in range(1, int(counts.max(initial=0))):
        rows = starts[by_count[: np.searchsorted(-counts[by_count], -nth)]] + nth
        sums[rows] += sums[rows - 1] * kept[rows]
    return sums
