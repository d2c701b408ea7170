"""The tables of a folder of training examples, each one Parquet file: columns and types.

    pairs         a search and a document that its searcher chose: source "click", a grade above 0; or "hard", whatever
                  was reached after a failed search, grade 1, with the facts of vertical/failed_searches.py (null for a
                  click). weight: how much the pair counts in training
    impressions   every document shown, source "impression", at its first position; grade 0 where it was not chosen
    non_clicks    documents shown and not chosen, source "non_click"
    searches      searches of valid and test that have a target: chosen, in the order shown; else what was reached, by
                  the vertical's rules; the grade of each target; and their segments. With propensities also weight, how
                  much the search counts: the mean of the weights of its clicks
    popularity    clicks of each document in the train split
    documents     as in the log, every column
    searchers     as in the log, every column; may be absent; with a `time`, a row for each time that something changed
    context       the vertical's request.context of each search; there where the vertical has one
    scores        what a teacher said of each document that a search for the query showed or led to; there where
                  `alicorn mine` was given a teacher
    features      what a ranker read of documents when they were shown; there where the log has it. feature_set: the
                  fingerprint of the features
    behaviour     what searchers had done before each search; there where the vertical asks for request.behaviour, and
                  then searchers has the same columns, as they are at the end of the log

Rows are ordered by time, then search_id, then doc_id. Times are UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from alicorn.vertical.failed_searches import FACTS

_STRINGS = pa.list_(pa.string())
_NUMBERS = pa.list_(pa.float64())
_SEARCH = {
    "search_id": pa.string(),
    "searcher_id": pa.string(),
    "time": pa.timestamp("us"),
    "query": pa.string(),
}
_LABELS = {"source": pa.string(), "split": pa.string()}
_COUNTED = {"grade": pa.float64(), "weight": pa.float64()}


@dataclass(frozen=True)
class TableSchema:
    """columns: name -> type. further: others may follow. optional: the table may be absent."""

    columns: Mapping[str, pa.DataType]
    further: bool = False
    optional: bool = False


TABLES = {
    "pairs": TableSchema({**_SEARCH, "doc_id": pa.string(), **FACTS, **_COUNTED, **_LABELS}),
    "impressions": TableSchema({**_SEARCH, "doc_id": pa.string(), "position": pa.int64(), **_COUNTED, **_LABELS}),
    "non_clicks": TableSchema({**_SEARCH, "doc_id": pa.string(), **_LABELS}),
    "searches": TableSchema(
        {**_SEARCH, "targets": _STRINGS, "grades": _NUMBERS, "segment": _STRINGS, "split": pa.string()}, further=True
    ),
    "popularity": TableSchema({"doc_id": pa.string(), "clicks": pa.int64()}),
    "documents": TableSchema({"doc_id": pa.string()}, further=True),
    "searchers": TableSchema({"searcher_id": pa.string()}, further=True, optional=True),
    "scores": TableSchema({"query": pa.string(), "doc_id": pa.string(), "score": pa.float64()}, optional=True),
    "features": TableSchema(
        {"search_id": pa.string(), "doc_id": pa.string(), "features": _NUMBERS, "feature_set": pa.string()},
        optional=True,
    ),
    "behaviour": TableSchema({"search_id": pa.string()}, further=True, optional=True),
    "context": TableSchema({"search_id": pa.string()}, further=True, optional=True),
}


def conformed(table: pa.Table, name: str) -> pa.Table:
    """The columns of a table's schema in its types; further columns behind them, where it has some.

    A column that `table` lacks is left out: whoever needs it asks for it by name. Raises pa.ArrowInvalid or
    pa.ArrowNotImplementedError for a column that cannot have its type.
    """
    wanted = TABLES[name]
    columns = {key: table[key].cast(kind) for key, kind in wanted.columns.items() if key in table.column_names}
    if wanted.further:
        columns |= {key: table[key] for key in table.column_names if key not in columns}
    return pa.table(columns)
