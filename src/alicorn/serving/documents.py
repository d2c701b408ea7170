"""Documents as JSON -> a table to upsert.

A document comes with its terms and vectors, or, where the server has models, with the vertical's columns alone: then
terms, stored columns, static rank and vectors follow from them, as in `alicorn publish`, and so does its selection.
"""

import datetime
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from alicorn.config import nearest
from alicorn.errors import TableError
from alicorn.publishing.documents import Indexed, indexed
from alicorn.serving.messages import DocumentBody
from alicorn.tables import array_of_json, is_open
from alicorn.vertical import Vertical
from alicorn.vertical.columns import Column
from alicorn.vertical.json_columns import arrow_type

if TYPE_CHECKING:
    from alicorn.towers import AnyModel

_TABLE = "documents"


def documents_table(
    documents: Sequence[DocumentBody], models: "Sequence[AnyModel]", stored: Mapping[str, pa.DataType]
) -> Indexed:
    """The table to upsert, and the ids that the vertical's selection leaves out of it.

    stored: the types that stored columns have already. Raises TableError and VectorError, rows counted in `documents`.
    """
    is_plain = [document.terms is not None or document.embeddings is not None for document in documents]
    if not models or all(is_plain):
        return Indexed(_plain_table(documents, stored), [], {})
    if any(is_plain):
        row = is_plain.index(True)
        raise TableError(
            f"{_TABLE}, row {row}: it brings its terms or embeddings and others leave them to the model: send one kind"
            " at a time",
            table=_TABLE,
            row=row,
        )
    table = _raw_table(documents, models[0].vertical, stored)
    return indexed(table, models, datetime.datetime.now(datetime.UTC))


def _plain_table(documents: Sequence[DocumentBody], stored: Mapping[str, pa.DataType]) -> pa.Table:
    columns: dict[str, Any] = {
        "doc_id": pa.array([document.doc_id for document in documents], pa.string()),
        "terms": pa.array([document.terms or [] for document in documents], pa.list_(pa.string())),
        "static_rank": array_of_json([d.static_rank or 0.0 for d in documents], pa.float64(), _TABLE, "static_rank"),
    }
    for key in dict.fromkeys(key for document in documents for key in document.embeddings or ()):
        vectors = [(document.embeddings or {}).get(key) for document in documents]
        columns[f"embedding:{key}"] = pa.array(vectors, pa.list_(pa.float64()))
    for name in _names(documents):
        if name in columns or name.startswith("embedding:"):
            raise _misplaced(name)
        columns[name] = array_of_json(_values(documents, name), stored.get(name), _TABLE, name)
    return pa.table(columns)


def _raw_table(documents: Sequence[DocumentBody], vertical: Vertical, stored: Mapping[str, pa.DataType]) -> pa.Table:
    """The vertical's columns; one that a document leaves out is null there."""
    asked: dict[str, list[Column]] = defaultdict(list)
    for column in vertical.document_columns():
        asked[column.name].append(column)
    del asked["doc_id"]
    for row, document in enumerate(documents):
        if document.static_rank is not None:
            raise TableError(
                f"{_TABLE}, row {row}: the vertical takes the static rank from column"
                f" {vertical.document.static_rank!r}: send it among the columns",
                table=_TABLE,
                row=row,
            )
    for name in _names(documents):
        if name not in asked:
            known = ", ".join(asked)
            message = f"{_TABLE}: unknown column {name[:100]!r}; {nearest(name[:100], list(asked))}columns: {known}"
            raise TableError(message, table=_TABLE, column=name)
    columns = {"doc_id": pa.array([document.doc_id for document in documents], pa.string())}
    for name, wanted in asked.items():
        values = _values(documents, name)
        kept = stored.get(name)
        kind = arrow_type(wanted, values) if kept is None or is_open(kept) else kept
        columns[name] = array_of_json(values, kind, _TABLE, name)
    return pa.table(columns)


def _names(documents: Sequence[DocumentBody]) -> list[str]:
    return list(dict.fromkeys(name for document in documents for name in document.columns))


def _values(documents: Sequence[DocumentBody], name: str) -> list[Any]:
    return [document.columns.get(name) for document in documents]


def _misplaced(name: str) -> TableError:
    message = f"{_TABLE}: {name[:100]!r} is no stored column: send it beside `columns`, as doc_id is"
    return TableError(message, table=_TABLE, column=name)
