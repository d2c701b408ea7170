"""Columns of documents, or the vectors of further models, into a collection that has the documents; parts that go."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from alicorn.errors import CollectionError, ConfigError, TableError
from alicorn.index.segment.building.documents import EMBEDDING
from alicorn.index.writer.checks.documents import check_table
from alicorn.publishing.aliases import aliases_of, give_names
from alicorn.publishing.documents import BATCH_ROWS, embedding_column, open_documents
from alicorn.publishing.embeddings import embeddings_of
from alicorn.publishing.provenance import check_published
from alicorn.quantization import FLOAT32
from alicorn.query import Collection
from alicorn.tables import PartFiles

if TYPE_CHECKING:  # a plain table updates without torch
    from alicorn.towers import AnyModel


@dataclass(frozen=True)
class UpdateReport:
    """updated, unknown: documents that were changed, and rows of documents that the collection does not have.

    added: the embedding keys that the collection did not have, with their dimensions; seconds: it took.
    """

    updated: int
    unknown: int
    added: dict[str, int]
    seconds: float


def update(
    documents: Path,
    into: Path,
    models: Sequence[AnyModel] = (),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    stored: str | None = None,
    name: str | None = None,
) -> UpdateReport:
    """Change documents of a collection by a Parquet file or folder; what the table leaves out they keep.

    Without a model the columns of the table are what changes: terms, static_rank, stored columns, embedding:<key>. With
    models their vectors of the documents, and nothing else. A key that the collection does not have is added.
    stored: how the vectors of added keys are kept, one of quantization.STORED, float32 unless given.
    name: of the key of the one model, in the place of the key that has it (aliases.py); given when all is updated.
    on_progress(done, total) is called after every batch; a batch is changed as a whole.
    Raises TableError, VectorError, ConfigError; CollectionError for vectors of another dimension or model.
    """
    started = time.perf_counter()
    if name is not None and len(models) != 1:
        raise ConfigError(f"a name is of the key of one model, got {len(models)} models")
    updated = unknown = 0
    with Collection.open(into) as collection:
        source = open_documents(documents, models, collection.snapshot().columns)
        embeddings = embeddings_of(source, models)
        added = _added(collection, source, embeddings, models)
        for key, dim in added.items():
            collection.add_key(key, {"dim": dim, "stored": stored or FLOAT32})
        if added and models:
            made = {model.key: model.fingerprint for model in models}
            known = collection.metadata.get("models", {})
            collection.set_metadata({**collection.metadata, "models": {**known, **made}})
        for batch in source.batches(num_rows=BATCH_ROWS):
            with source.located(updated + unknown):
                done = collection.update(_vectors(batch, models) if models else batch)
            updated, unknown = updated + done.updated, unknown + done.unknown
            on_progress(updated + unknown, source.num_rows)
        collection.flush()
        if name is not None:
            give_names(collection, dict.fromkeys([name], models[0].key))
    return UpdateReport(updated, unknown, added, time.perf_counter() - started)


def drop(
    collection: Path,
    keys: Sequence[str] = (),
    columns: Sequence[str] = (),
    terms: Sequence[str] = (),
    positions: Sequence[str] = (),
) -> None:
    """Remove parts of all documents as `Store.drop` does, and what the collection remembers of the models of the keys.

    Raises ConfigError, CollectionError.
    """
    with Collection.open(collection) as opened:
        for name, key in aliases_of(opened).items():
            if key in keys:
                raise ConfigError(
                    f"embedding {key!r} is called {name!r}: give the name to another key first (alicorn alias)"
                )
        opened.drop(keys=keys, columns=columns, terms=terms, positions=positions)
        models = opened.metadata.get("models", {})
        left = {key: fingerprint for key, fingerprint in models.items() if key not in keys}
        if left != models:
            opened.set_metadata({**opened.metadata, "models": left})


def _added(
    collection: Collection, source: PartFiles, embeddings: dict[str, int], models: Sequence[AnyModel]
) -> dict[str, int]:
    """The keys to add. Everything that can be refused by the types of columns is refused here, before any change."""
    known = collection.embeddings
    for key, dim in embeddings.items():
        if key in known and known[key] != dim:
            raise CollectionError(
                f"embedding {key!r} of the collection has {known[key]} dimensions, and here it has {dim}: drop the key"
                " first (alicorn drop), or choose another one"
            )
    for model in models:
        if model.key in known:
            check_published(model, collection)
    added = {key: dim for key, dim in embeddings.items() if key not in known}
    if not models:
        columns = [name for name in source.schema.names if name != "doc_id"]
        if not columns:
            message = "the table has no column beside doc_id: give what should change"
            raise TableError(message, table="documents")
        with source.located():
            nothing = source.schema.empty_table()
            check_table(nothing, known | added, collection.snapshot().columns, collection.positions, "update")
    return added


def _vectors(documents: pa.Table, models: Sequence[AnyModel]) -> pa.Table:
    """doc_id and the vector of every model."""
    columns = {EMBEDDING + model.key: embedding_column(model, documents) for model in models}
    return pa.table({"doc_id": documents["doc_id"], **columns})
