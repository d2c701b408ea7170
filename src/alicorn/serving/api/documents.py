"""Documents as JSON -> a table to upsert, or to update by.

A document comes with its terms and vectors, or, where the server has models, with the vertical's columns alone: then
terms, stored columns, static rank and vectors follow from them, as in `alicorn publish`, and so does its selection.
Each document may give other columns: what it leaves out is kept by an update, and refused by an upsert where the
document has it. An update changes what is given, and derives nothing from it.
"""

import datetime
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from alicorn.config import did_you_mean
from alicorn.errors import TableError
from alicorn.index import Snapshot
from alicorn.index.segment.building.documents import EMBEDDING
from alicorn.publishing.documents import indexed
from alicorn.query.any_collection import AnyCollection
from alicorn.serving.api.messages import DocumentBody
from alicorn.tables import array_of_json, is_open
from alicorn.vertical import Vertical
from alicorn.vertical.columns import Column, arrow_type

if TYPE_CHECKING:
    from alicorn.towers import AnyModel

_TABLE = "documents"


class Given(NamedTuple):
    """documents: the columns that any document gives; given: column -> (rows,) bool, of those that not all give;
    left_out: ids that the vertical's selection refuses."""

    documents: pa.Table
    given: dict[str, np.ndarray]
    left_out: list[str]


def upserts_table(documents: Sequence[DocumentBody], models: "Sequence[AnyModel]", collection: AnyCollection) -> Given:
    """The table to upsert.

    Raises TableError and VectorError, rows counted in `documents`.
    """
    is_plain = [document.terms is not None or document.embeddings is not None for document in documents]
    if not models or all(is_plain):
        return updates_table(documents, collection.snapshot())
    if any(is_plain):
        row = is_plain.index(True)
        raise TableError(
            f"{_TABLE}, row {row}: it brings its terms or embeddings and others leave them to the model: send one kind"
            " at a time",
            table=_TABLE,
            row=row,
        )
    vertical = models[0].vertical
    table = _raw_table(documents, vertical, collection.snapshot().columns)
    chosen = indexed(table, models, datetime.datetime.now(datetime.UTC))
    holding = collection.holding([document.doc_id for document in documents])
    _check_terms_kept(documents, chosen.documents, vertical, holding)
    bodies = {document.doc_id: document for document in documents}
    kept = [bodies[doc_id] for doc_id in chosen.documents["doc_id"].to_pylist()]
    gives = {name: _gives(kept, name) for name in vertical.document.stored}
    if vertical.document.static_rank is not None:
        gives["static_rank"] = _gives(kept, vertical.document.static_rank)
    return Given(chosen.documents, _masks(gives), chosen.left_out_ids)


def updates_table(documents: Sequence[DocumentBody], snapshot: Snapshot) -> Given:
    """Documents that bring terms and vectors, as a table to upsert or to update by."""
    columns: dict[str, Any] = {"doc_id": pa.array([document.doc_id for document in documents], pa.string())}
    gives: dict[str, list[bool]] = {}
    terms = [document.terms for document in documents]
    ranks = [document.static_rank for document in documents]
    if any(one is not None for one in terms):
        columns["terms"] = pa.array([one or [] for one in terms], pa.list_(pa.string()))
        gives["terms"] = [one is not None for one in terms]
    if any(one is not None for one in ranks):
        columns["static_rank"] = array_of_json([one or 0.0 for one in ranks], pa.float64(), _TABLE, "static_rank")
        gives["static_rank"] = [one is not None for one in ranks]
    embeddings = [document.embeddings or {} for document in documents]
    for key in dict.fromkeys(key for one in embeddings for key in one):
        columns[EMBEDDING + key] = pa.array([one.get(key) for one in embeddings], pa.list_(pa.float64()))
        gives[EMBEDDING + key] = [key in one for one in embeddings]
    for name in _names(documents):
        if name in ("doc_id", "terms", "static_rank") or name.startswith(EMBEDDING):
            raise _misplaced(name)
        columns[name] = array_of_json(_values(documents, name), snapshot.columns.get(name), _TABLE, name)
        gives[name] = _gives(documents, name)
    return Given(pa.table(columns), _masks(gives), [])


def _masks(gives: Mapping[str, Sequence[bool]]) -> dict[str, np.ndarray]:
    return {name: np.array(rows, dtype=bool) for name, rows in gives.items() if not all(rows)}


def _check_terms_kept(
    documents: Sequence[DocumentBody], indexed: pa.Table, vertical: Vertical, snapshot: Snapshot
) -> None:
    """Refuse a document that leaves out a column of which come terms that the document which it replaces has. indexed:
    doc_id and terms of those that the selection keeps."""
    terms = dict(zip(indexed["doc_id"].to_pylist(), indexed["terms"].to_pylist(), strict=True))
    for row, document in enumerate(documents):
        missing = [rule for rule in vertical.document.terms if rule.column not in document.columns]
        found = snapshot.find(document.doc_id) if missing and document.doc_id in terms else None
        if found is None:
            continue
        lost = set(snapshot.document(*found)["terms"]).difference(terms[document.doc_id])
        for rule in missing:
            if any(term.startswith(f"{rule.prefix}:") for term in lost):
                raise TableError(
                    f"{_TABLE}, row {row}: it replaces the whole document {document.doc_id[:200]!r} and leaves out"
                    f" column {rule.column!r}, from which terms of it may come: give every column, null where there is"
                    " nothing, or change terms, stored columns and vectors alone by PATCH",
                    table=_TABLE,
                    column=rule.column,
                    row=row,
                )


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
            hint, known = did_you_mean(name[:100], list(asked)), ", ".join(asked)
            message = f"{_TABLE}: unknown column {name[:100]!r}; {hint}columns: {known}"
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


def _gives(documents: Sequence[DocumentBody], name: str) -> list[bool]:
    return [name in document.columns for document in documents]


def _values(documents: Sequence[DocumentBody], name: str) -> list[Any]:
    return [document.columns.get(name) for document in documents]


def _misplaced(name: str) -> TableError:
    message = f"{_TABLE}: {name[:100]!r} is no stored column: send it beside `columns`, as doc_id is"
    return TableError(message, table=_TABLE, column=name)
