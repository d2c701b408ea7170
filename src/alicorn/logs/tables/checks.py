"""The contract of each log table, checked by queries before any work.

One query looks at the rows of a table, one at each reference to another table; keys are compared in memory. Each
violation becomes a TableError that names table, column, first bad row and count.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis import Deferred, _
from ibis.expr.types import BooleanValue

from alicorn.errors import TableError
from alicorn.logs.tables.outcomes import ROW
from alicorn.tables import PartFiles, read_table, repeated
from alicorn.vertical.columns import bad_rows
from alicorn.vertical.requests import AS_OF


class _Rule(NamedTuple):
    column: str
    problem: str
    bad: BooleanValue  # of a row


def _not_from_0(number: Deferred) -> Deferred:
    return (number < 0) | number.isnan() | number.isinf()


_KEY = _Rule("search_id", "a key is null", _.search_id.isnull())
_TIME = _Rule("time", "a time is null", _.time.isnull())
_QUERY = _Rule("query", "a query is null (an empty query is an empty string)", _.query.isnull())
_FROM_1 = _Rule("position", "positions count from 1", _.position < 1)
_SHOWN = ~_.doc_id.isnull()
_ROW_RULES = {
    "documents": [_Rule("doc_id", "a key is null", _.doc_id.isnull())],
    "searchers": [
        _Rule("searcher_id", "a key is null", _.searcher_id.isnull()),
        _Rule(AS_OF, "a time is null: from when on does the row hold?", _[AS_OF].isnull()),
    ],
    "impressions": [
        *(_KEY, _TIME, _QUERY),
        _Rule("clicked", "clicked is null: true or false", _.clicked.isnull()),
        _Rule("position", "a shown document has no position", _SHOWN & _.position.isnull()),
        _FROM_1,
        _Rule("grade", "a grade is a finite number from 0", _not_from_0(_.grade)),
        _Rule("weight", "a weight is a finite number from 0", _not_from_0(_.weight)),
        _Rule(
            "doc_id",
            "doc_id is null, but the row has a position, a click or a grade (a search that showed nothing has none)",
            _.doc_id.isnull() & (_.position.notnull() | _.clicked | (_.grade > 0)),
        ),
    ],
    "searches": [_KEY, _TIME, _QUERY],
    "shown": [
        _KEY,
        _Rule("doc_id", "a key is null", _.doc_id.isnull()),
        _Rule("position", "a shown document has no position", _.position.isnull()),
        _FROM_1,
    ],
    "events": [_TIME, _Rule("action", "an action is null", _.action.isnull())],
    "activity": [
        _Rule("searcher_id", "a key is null", _.searcher_id.isnull()),
        _TIME,
        _Rule("doc_id", "a key is null", _.doc_id.isnull()),
        _Rule("kind", "a kind is null", _.kind.isnull()),
    ],
    "segments": [
        _KEY,
        _Rule("segment", "labels are null (no label is an empty list)", _.segment.isnull()),
    ],
}
_UNIQUE = {"documents": "doc_id", "searchers": "searcher_id", "segments": "search_id", "searches": "search_id"}
_REFERENCES = [  # table, column, table it must be found in
    ("impressions", "doc_id", "documents"),
    ("impressions", "searcher_id", "searchers"),
    ("shown", "doc_id", "documents"),
    ("searches", "searcher_id", "searchers"),
    ("events", "doc_id", "documents"),
    ("events", "searcher_id", "searchers"),
    ("activity", "doc_id", "documents"),
    ("activity", "searcher_id", "searchers"),
    ("segments", "search_id", "impressions"),
    ("segments", "search_id", "searches"),
]


def check_tables(
    tables: Mapping[str, ibis.Table],
    sources: Mapping[str, PartFiles],
    copies: Mapping[str, Path],
    constant: Sequence[str] = (),
    unknown_documents: bool = False,
) -> dict[str, int]:
    """Check all tables, by name. Returns their numbers of rows. Raises TableError for the first violation.

    sources: the files that rows are named by. copies: the plain files that were made of them. constant: further columns
    of impressions on which the rows of a search agree. unknown_documents: whether rows may be of documents that the
    table of documents lacks.
    """
    counts = {}
    for name, table in tables.items():
        with sources[name].located():
            counts[name] = _check_rows(name, table)
    for name, key in _UNIQUE.items():
        if name in tables:
            with sources[name].located():
                _check_unique(name, copies[name], key, name == "searchers" and AS_OF in tables[name].columns)
    for name, column, target in _REFERENCES:
        allowed = unknown_documents and target == "documents"
        if name in tables and target in tables and not allowed:
            with sources[name].located():
                _check_reference(name, tables[name], column, target, tables[target])
    if "impressions" in tables:
        with sources["impressions"].located():
            _check_searches(tables["impressions"], constant)
    return counts


def _check_rows(name: str, table: ibis.Table) -> int:
    """All rules that look at one row, in one query."""
    rules = [rule for rule in _ROW_RULES[name] if rule.column in table.columns]
    measures = {"rows": table.count()}
    for i, rule in enumerate(rules):
        bad = rule.bad.resolve(table)
        measures |= {f"count_{i}": bad.sum(), f"first_{i}": table[ROW].min(where=bad)}
    found = table.aggregate(**measures).to_pyarrow().to_pylist()[0]
    if found["rows"] == 0:
        hint = "" if name in ("documents", "impressions") else ": leave the file out when there is nothing in it"
        raise TableError(f"table {name} is empty{hint}", table=name, count=0)
    for i, rule in enumerate(rules):
        if found[f"count_{i}"]:
            bad_rows(name, rule.column, rule.problem, row=found[f"first_{i}"], count=found[f"count_{i}"])
    return int(found["rows"])


def _check_unique(name: str, path: Path, key: str, with_time: bool) -> None:
    """A row whose key an earlier row has already is bad; with_time: the key and the time."""
    read = read_table(path, name, [key, AS_OF] if with_time else [key])
    keys = read[key]
    whole = keys
    if with_time:
        times = read[AS_OF].cast(pa.int64()).cast(pa.string())
        whole = pc.binary_join_element_wise(times, keys, " ")
    again = repeated(whole)
    if again is not None:
        row = int(np.argmax(again))
        changes = name == "searchers" and not with_time
        hint = (
            " (a searcher who changes has a row for each change, and when it was in the column time)" if changes else ""
        )
        said = f"the key of an earlier row again: {keys[row].as_py()!r}{hint}"
        bad_rows(name, key, said, row=row, count=int(again.sum()))


def _check_reference(name: str, table: ibis.Table, column: str, target: str, target_table: ibis.Table) -> None:
    """Null refers to nothing and passes: where it is not allowed, the rules of a row say so."""
    bad = table.filter(table[column].notnull()).anti_join(target_table, column)
    hint = " (unknown_documents: leave_out in vertical.yaml leaves such rows out)" if target == "documents" else ""
    _refuse(name, column, bad, table, f"not found in table {target}", hint)


def _refuse(name: str, column: str, bad: ibis.Table, table: ibis.Table, problem: str, hint: str) -> None:
    found = bad.aggregate(count=bad.count(), first=bad[ROW].min()).to_pyarrow().to_pylist()[0]
    if found["count"]:
        row = found["first"]
        value = table.filter(table[ROW] == row)[column].to_pyarrow()[0].as_py()
        bad_rows(name, column, f"{problem}: {value!r}{hint}", row=row, count=found["count"])


def _differ(name: str) -> Deferred:
    """Whether rows have different values of a column, or some have one and some have none."""
    column = _[name]
    return (column.min() != column.max()) | ((column.count() > 0) & (column.count() < _.count()))


def _check_searches(impressions: ibis.Table, constant: Sequence[str]) -> None:
    """The rows of one search agree on query, searcher and further columns; a search that showed nothing has one row."""
    rules = [
        _Rule("query", "the rows of one search_id have different queries", _.query.min() != _.query.max()),
        _Rule("searcher_id", "the rows of one search_id have different searchers", _differ("searcher_id")),
        *(_Rule(name, "the rows of one search_id have different values", _differ(name)) for name in constant),
        _Rule(
            "doc_id",
            "doc_id is null (a search that showed nothing), but its search_id has other rows",
            (_.doc_id.count() < _.count()) & (_.count() > 1),
        ),
    ]
    searches = impressions.group_by("search_id").aggregate(
        first=_[ROW].min(), **{f"bad_{i}": rule.bad for i, rule in enumerate(rules)}
    )
    measures: dict[str, ibis.Value] = {}
    for i in range(len(rules)):
        bad = searches[f"bad_{i}"]
        measures |= {f"count_{i}": bad.sum(), f"first_{i}": searches["first"].min(where=bad)}
    found = searches.aggregate(**measures).to_pyarrow().to_pylist()[0]
    for i, rule in enumerate(rules):
        if found[f"count_{i}"]:
            problem = f"{rule.problem} (rows are counted as searches here)"
            bad_rows("impressions", rule.column, problem, row=found[f"first_{i}"], count=found[f"count_{i}"])
