"""Documents as a collection takes them: chosen by the vertical's selection, with terms, stored columns and vectors."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from alicorn.errors import TableError
from alicorn.index.segment.building.documents import EMBEDDING
from alicorn.index.writer.checks.documents import check_documents
from alicorn.tables import PartFiles, open_parts
from alicorn.tables.notes import note_bytes

if TYPE_CHECKING:  # a plain table is published without torch
    from alicorn.towers import AnyModel

BATCH_ROWS = 100_000  # at 128 dimensions 51 MB of vectors a batch


def known_types(models: Sequence[AnyModel] = ()) -> dict[str, pa.DataType]:
    """The types that columns of documents have to have."""
    known: dict[str, pa.DataType] = {"terms": pa.list_(pa.string())}
    for model in models:
        known |= model.vertical.document_types()
    return known


def open_documents(
    documents: Path, models: Sequence[AnyModel] = (), kept: Mapping[str, pa.DataType] | None = None
) -> PartFiles:
    """The table of documents. Every doc_id is checked: a batch would replace a document of another.

    models: their verticals say what columns are. kept: the types of the stored columns of a collection.
    """
    source = open_parts(documents, "documents", dict(kept or {}) | known_types(models))
    if source.num_rows == 0:
        raise TableError(f"{documents}: the table of documents is empty", table="documents")
    note_bytes(source.schema, ("doc_id", "terms"), "documents")
    with source.located():
        check_documents(source.read(["doc_id"] if "doc_id" in source.schema.names else None), {}, {})
    return source


class Indexed(NamedTuple):
    """documents: doc_id, terms, stored columns, static_rank and embeddings of those that the selection keeps.

    left_out: ids of the others, by the rule that refused them.
    """

    documents: pa.Table
    left_out: dict[str, list[str]]

    @property
    def left_out_ids(self) -> list[str]:
        return list(chain(*self.left_out.values()))


def indexed(documents: pa.Table, models: Sequence[AnyModel], now: datetime.datetime) -> Indexed:
    """Documents as a collection takes them, with one embedding per model.

    models: the first one's vertical says what terms and stored columns follow from a document, and which documents are
    indexed. A document that is embedded already keeps its vector. Without a model the table is returned as it is.
    now: with its zone; what the selection's rule `recent` counts back from.
    Raises TableError or VectorError; rows are counted in `documents`, before the selection.
    """
    if not models:
        return Indexed(documents, {})
    vertical = models[0].vertical
    table = vertical.index_table(documents)
    for name in (EMBEDDING + model.key for model in models):
        if name in documents.column_names and name not in table.column_names:
            table = table.append_column(name, documents[name])
    left_out: dict[str, list[str]] = {}
    if vertical.selection.documents:
        brought = {model.key: model.dim for model in models if EMBEDDING + model.key in table.column_names}
        # The collection sees the kept documents only, and would count those.
        check_documents(table, brought, {}, vertical.positions())
        documents = vertical.check_documents(documents)
        refused = vertical.selection.refused(documents, now)
        for number, rule in enumerate(vertical.selection.documents):
            of_rule = documents["doc_id"].filter(refused == number).to_pylist()
            left_out[rule.label] = left_out.get(rule.label, []) + of_rule
        kept = refused < 0
        documents, table = documents.filter(kept), table.filter(kept)
    for model in models:
        if EMBEDDING + model.key not in table.column_names:
            table = table.append_column(EMBEDDING + model.key, embedding_column(model, documents))
    return Indexed(table, left_out)


def embedding_column(model: AnyModel, documents: pa.Table) -> pa.FixedSizeListArray:
    """The vectors that a model gives documents, fixed_size_list<float32, dim>, of unit length."""
    vectors: np.ndarray = model.encode_documents(documents)
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float32()), vectors.shape[1])
