"""The answer of N shards: what a Result of one collection has, and how much of the collection it covers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.distributed.router.merging import Gathered
from alicorn.language.order import ByColumn
from alicorn.query.facets.facet import Counts
from alicorn.query.order.cursor import Cursor, Ordering
from alicorn.query.order.ordinals import plain
from alicorn.query.result import checked_columns
from alicorn.tables import python_values

FetchRows = Callable[[np.ndarray, np.ndarray, np.ndarray, list[str]], pa.Table]
"""The stored columns of documents by shard, segment and number, in their order."""


@dataclass(frozen=True)
class Coverage:
    """How many shards answered of those there are, and how many documents these have."""

    shards: int
    answered: int
    documents: int
    answered_documents: int

    @property
    def is_whole(self) -> bool:
        return self.answered == self.shards


@dataclass(eq=False)
class ShardedResult:
    """The first hits of an expression over all shards. total, facets, took_ms: as of a Result.

    coverage: where it is not whole, the answer is that of the documents of the shards that answered, and `noticed`
    says so. version: of the collection.
    """

    total: int
    took_ms: float
    facets: Mapping[str, Counts]
    coverage: Coverage
    version: str
    ordering: Ordering
    noticed: tuple[str, ...]
    _hits: Gathered
    _places: np.ndarray
    _fetch: FetchRows
    _missing: Callable[[], tuple[str, ...]]

    @cached_property
    def ids(self) -> list[str]:
        return [self._hits.ids[place] for place in self._places.tolist()]

    @cached_property
    def scores(self) -> np.ndarray:
        """(hits,) of the first key that is a score."""
        scores: np.ndarray = self._hits.scores[0][self._places]
        return scores

    @cached_property
    def notices(self) -> tuple[str, ...]:
        """As of a Result; terms that no document has are looked for when this is read."""
        return self.noticed if self.total else (*self.noticed, *self._missing())

    @property
    def cursor(self) -> str | None:
        """Where this page ends: `after` of the next. None without a hit."""
        if not len(self._places):
            return None
        last = int(self._places[-1])
        scores = (float(one[last]) for one in self._hits.scores)
        columns = (plain(one[last]) for one in self._hits.columns)
        values = tuple(next(columns) if isinstance(key, ByColumn) else next(scores) for key in self.ordering.order)
        return self.ordering.write(Cursor(values, self._hits.ids[last]))

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """doc_id, static_rank and stored columns of all hits, as Result.table. Asks the shards of the hits."""
        known = self.ordering.columns
        return self._rows(self._places, list(known if columns is None else checked_columns(columns, known)))

    def document(self, at: int) -> dict[str, Any]:
        """doc_id, static_rank and stored columns of hit `at`."""
        row = self._rows(self._places[at : at + 1], list(self.ordering.columns))
        return {name: python_values(row[name])[0] for name in row.column_names}

    def _rows(self, places: np.ndarray, columns: list[str]) -> pa.Table:
        hits = self._hits
        return self._fetch(hits.shards[places], hits.segments[places], hits.numbers[places], columns)
