"""The answer to one request: its first hits, each with its address in the snapshot that scored it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from alicorn.errors import ConfigError
from alicorn.index import Segment, SegmentView, Snapshot
from alicorn.language.order import ByColumn
from alicorn.language.prepared import Prepared
from alicorn.query.explain.missing import missing_terms
from alicorn.query.explain.step import Step
from alicorn.query.facets.facet import Counts
from alicorn.query.order.cursor import Cursor, Ordering
from alicorn.query.order.ordinals import value_of
from alicorn.tables.unify import fitted_table


class Coverage(NamedTuple):
    """How many shards answered of those there are, and how many documents these have. A collection that is not in
    shards is one."""

    shards: int
    answered: int
    documents: int
    answered_documents: int

    @property
    def is_whole(self) -> bool:
        return self.answered == self.shards


@dataclass(slots=True)
class Result:
    """The first hits of an expression. total counts all of them, whatever the limit.

    scores: (hits,) in the order of the hits; higher first, ties by doc_id. explanation: the steps, when asked for.
    noticed: the `notices` that were made while searching. snapshot, prepared: what was searched, and for which
    expression. segments, numbers: (hits,) integers, the address of each hit: the place in `snapshot.segments` and the
    document number there. A result keeps its snapshot in memory, and its hits are read from it, whatever has been
    written since.
    ordering, of_keys: the order, and the scores (hits,) of those of its keys that are scores.
    facets: the counts that were asked for, over all documents that match.
    features: (hits, features) float64, of a ranked answer what its ranker knew of each hit. stage_scores: stage -> the
    score that it gave each hit, (hits,) float64, NaN where it gave none.
    found_by: bool (hits, operands), where it was asked for: which operands of the expression's `or` have the hit.
    num_by_nn: then too, how many documents the operands with an `nn` have together.
    covered: `coverage`, of a collection in shards.
    """

    scores: np.ndarray
    total: int
    took_ms: float
    snapshot: Snapshot
    segments: np.ndarray
    numbers: np.ndarray
    noticed: tuple[str, ...] = ()
    explanation: Step | None = None
    ordering: Ordering | None = None
    of_keys: tuple[np.ndarray, ...] = ()
    facets: Mapping[str, Counts] = field(default_factory=dict)
    prepared: Prepared | None = None
    features: np.ndarray | None = None
    stage_scores: Mapping[str, np.ndarray] = field(default_factory=dict)
    found_by: np.ndarray | None = None
    num_by_nn: int | None = None
    covered: Coverage | None = None
    _ids: list[str] | None = None

    @property
    def ids(self) -> list[str]:
        """The doc_id of each hit. Made when first read: strings of many hits take longer than finding them."""
        if self._ids is None:
            if len(self.snapshot.segments) == 1:
                self._ids = self.snapshot.segments[0].segment.ids.of(self.numbers)
            else:
                self._ids = self.doc_ids.to_pylist()
        return self._ids

    @property
    def coverage(self) -> Coverage:
        """Of how much of the collection the answer is: where it is not whole, it is that of the documents of the shards
        that answered, and a notice says so."""
        return self.covered or Coverage(1, 1, self.snapshot.num_docs, self.snapshot.num_docs)

    @property
    def notices(self) -> tuple[str, ...]:
        """Warnings about the answer: a likely misreading, an inner result that was cut; where there is no hit, terms
        that no document has. Those are looked for when this is read."""
        if self.total or self.prepared is None:
            return self.noticed
        return (*self.noticed, *self.unknown_terms())

    def unknown_terms(self) -> tuple[str, ...]:
        """A notice for each of the first terms of the expression that no document has, with what to write instead;
        where there are hits, too."""
        return () if self.prepared is None else missing_terms(self.snapshot, self.prepared.root)

    @property
    def doc_ids(self) -> pa.StringArray:
        """The same as an Arrow array."""
        views = self.snapshot.segments
        if len(views) == 1:
            ids: pa.StringArray = views[0].segment.doc_ids.take(pa.array(self.numbers))
        else:
            ids = self.table(()).column("doc_id").combine_chunks()
        return ids

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """doc_id, static_rank and stored columns of all hits, a row for each, as they were when they were scored.

        columns: some of their names, instead of all; doc_id is first anyway. Null where a document was written without
        a column. Raises ConfigError for a name that the collection has no column of.
        """
        chosen = self.snapshot.columns if columns is None else checked_columns(columns, self.snapshot.columns)
        return rows_of(self.snapshot, self.segments, self.numbers, list(chosen))

    def taken(self, places: np.ndarray) -> Result:
        """The hits at some places, in their order. places: integers from 0."""
        return replace(
            self,
            scores=self.scores[places],
            segments=self.segments[places],
            numbers=self.numbers[places],
            of_keys=tuple(of[places] for of in self.of_keys),
            features=None if self.features is None else self.features[places],
            stage_scores={stage: of[places] for stage, of in self.stage_scores.items()},
            found_by=None if self.found_by is None else self.found_by[places],
            _ids=None,
        )

    @property
    def cursor(self) -> str | None:
        """Where this page ends: `after` of the next. None without a hit, and of requests that are answered together."""
        if self.ordering is None or not len(self.numbers):
            return None
        view, number = self.address(-1)
        scores = (float(one[-1]) for one in self.of_keys)
        values = tuple(
            value_of(view.segment, key.name, number) if isinstance(key, ByColumn) else next(scores)
            for key in self.ordering.order
        )
        doc_id = view.segment.doc_ids[number].as_py() if self._ids is None else self._ids[-1]
        return self.ordering.write(Cursor(values, doc_id))

    def address(self, at: int) -> tuple[SegmentView, int]:
        """The segment of hit `at`, and its document number there."""
        return self.snapshot.segments[int(self.segments[at])], int(self.numbers[at])

    def document(self, at: int) -> dict[str, Any]:
        """doc_id, terms, static_rank and stored columns of hit `at`, as they were when it was scored."""
        return self.snapshot.document(*self.address(at))


def checked_columns(columns: Sequence[str], known: Mapping[str, pa.DataType]) -> list[str]:
    """The names of stored columns, each once. known: those of the collection. Raises ConfigError."""
    if isinstance(columns, str):
        raise ConfigError(f"columns takes a list of names, got the single {columns!r}: put it in a list")
    for name in columns:
        if name != "doc_id" and name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ";"
            raise ConfigError(f"columns: there is no stored column {name!r}{hint} there are: {', '.join(known)}")
    return [name for name in dict.fromkeys(columns) if name != "doc_id"]


def rows_of(snapshot: Snapshot, segments: np.ndarray, numbers: np.ndarray, columns: Sequence[str]) -> pa.Table:
    """doc_id and stored columns of documents in their order. segments, numbers: (n,) integers."""
    schema = pa.schema([("doc_id", pa.string()), *((name, snapshot.columns[name]) for name in columns)])
    here = [np.flatnonzero(segments == at) for at in range(len(snapshot.segments))]
    parts = [
        _rows(view.segment, numbers[at], schema) for view, at in zip(snapshot.segments, here, strict=True) if len(at)
    ]
    if len(parts) < 2:
        return parts[0] if parts else schema.empty_table()
    places = np.argsort(np.concatenate(here), kind="stable")
    return pa.concat_tables(parts).take(pa.array(places))


def _rows(segment: Segment, numbers: np.ndarray, schema: pa.Schema) -> pa.Table:
    """The stored columns of some documents, in the types of a schema: a segment may lack a column, or hold it from
    before its type was decided."""
    known = [name for name in schema.names if name in segment.fields.schema.names]
    return fitted_table(segment.fields.select(known).take(pa.array(numbers)), schema)
