"""How do documents get into a collection? Tables of documents, embedded by models where given, into an index.

Stands between query/ and serving/: it joins the learned rooms to the engine. A new collection is made beside its
place and renamed when every row was accepted, so a refused table leaves nothing behind.
"""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alicorn import __version__
from alicorn.errors import CollectionError, ConfigError, TableError
from alicorn.index.writer.checking import check_documents
from alicorn.quantization import FLOAT32
from alicorn.query import Collection
from alicorn.tables import PartFiles, open_parts

if TYPE_CHECKING:  # a plain table is published without torch
    from alicorn.towers import AnyModel

_BATCH_ROWS = 100_000  # at 128 dimensions 51 MB of vectors a batch
_PREFIX = "embedding:"


@dataclass(frozen=True)
class Published:
    """What a publish did: documents written, seconds it took, embedding keys and their dimensions.

    left_out: documents by the rule of the vertical's selection that refused them. removed: of these, those that the
    collection held before.
    """

    documents: int
    seconds: float
    embeddings: dict[str, int]
    left_out: dict[str, int]
    removed: int


def publish(
    documents: Path,
    into: Path,
    models: Sequence[AnyModel] = (),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    now: datetime.datetime | None = None,
    stored: str | None = None,
) -> Published:
    """Write the documents of a Parquet file or folder into a collection, new or existing.

    models: each embeds the documents under its own key, unless they bring that column already (`alicorn embed` makes
    it); terms and stored columns come from the first one's vertical. A document that its `selection` leaves out is not
    written, and removed where the collection holds it. now: for rules about time, with its zone; the present unless
    given.
    stored: how a new collection keeps the vectors of every key, one of quantization.STORED, float32 unless given; an
    existing one keeps them as it does, and another value is refused.
    Without a model the table is plain: doc_id, terms, embedding:<key> and stored columns.
    on_progress(done, total) is called after every batch.
    Raises TableError, CollectionError (the collection was published with another model), ConfigError.
    """
    started = time.perf_counter()
    source = _open(documents)
    total = source.num_rows
    embeddings = _embeddings(source, models)
    metadata = metadata_of(models)
    if into.exists() and not into.is_dir():
        raise CollectionError(f"{into} is a file: give the folder of a collection, new or existing")
    fresh = not (into.exists() and any(into.iterdir()))
    target = into.with_name(f".{into.name}.publishing") if fresh else into
    if fresh and target.exists():
        shutil.rmtree(target)  # left by a publish that was killed
    if fresh:
        declared = {key: {"dim": dim, "stored": stored or FLOAT32} for key, dim in embeddings.items()}
        collection = Collection.create(target, declared, metadata=metadata)
    else:
        collection = Collection.open(into)
    now = now or datetime.datetime.now(datetime.UTC)
    done = removed = 0
    left_out: Counter[str] = Counter()
    try:
        with collection:
            if not fresh:
                check_models(collection, models)
                _check_embeddings(collection, embeddings, stored)
            for batch in source.batches(num_rows=_BATCH_ROWS):
                with source.located(done + left_out.total()):
                    chosen = selected(batch, models, now)
                    removed += collection.delete(chosen.left_out).deleted if chosen.left_out else 0
                    collection.upsert(indexed(chosen.documents, models))
                left_out.update(chosen.counts)
                done += len(chosen.documents)
                on_progress(done + left_out.total(), total)
            if fresh and done == 0:
                counts = "; ".join(f"{rule}: {count:,}" for rule, count in left_out.items())
                message = f"{documents}: the vertical's selection leaves out every document ({counts})"
                raise TableError(message, table="documents")
            collection.flush()
            if fresh:
                collection.merge()
    except BaseException:
        if fresh:
            shutil.rmtree(target, ignore_errors=True)
        raise
    if fresh:
        if into.exists():
            into.rmdir()  # empty, as was checked
        os.replace(target, into)
    return Published(done, time.perf_counter() - started, embeddings, dict(left_out), removed)


def embed(
    documents: Path, model: AnyModel, out: Path, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> int:
    """Write doc_id and embedding:<key> of the documents of a Parquet file or folder; returns their number.

    The file is there when it is complete: what `publish` takes without a model, beside terms and stored columns.
    Raises TableError, ConfigError.
    """
    if out.is_dir() or not out.parent.is_dir():
        raise ConfigError(f"{out}: give a file to write, in a folder that exists")
    source = _open(documents)
    unfinished = out.with_name(f".{out.name}.embedding")
    column = pa.field(_PREFIX + model.key, pa.list_(pa.float32(), model.dim))
    schema = pa.schema([pa.field("doc_id", pa.string()), column])
    done = 0
    try:
        with pq.ParquetWriter(unfinished, schema) as writer:
            for batch in source.batches(num_rows=_BATCH_ROWS):
                with source.located(done):
                    vectors = _vectors(model, batch)
                writer.write_table(pa.table([batch["doc_id"], vectors], schema=schema))
                done += len(batch)
                on_progress(done, source.num_rows)
        os.replace(unfinished, out)
    finally:
        unfinished.unlink(missing_ok=True)
    return done


def indexed(documents: pa.Table, models: Sequence[AnyModel]) -> pa.Table:
    """Documents as the index takes them: doc_id, terms, stored columns, static_rank and one embedding per model.

    A document that is embedded already keeps its vector. Without a model the table is returned as it is.
    """
    if not models:
        return documents
    table = models[0].vertical.index_table(documents, None)
    for name, model in ((_PREFIX + model.key, model) for model in models):
        if name not in documents.column_names:
            table = table.append_column(name, _vectors(model, documents))
        elif name not in table.column_names:
            table = table.append_column(name, documents[name])
    return table


class Selected(NamedTuple):
    """documents: to be indexed. left_out: ids of the others. counts: of these, by the rule that refused them."""

    documents: pa.Table
    left_out: list[str]
    counts: dict[str, int]


def selected(documents: pa.Table, models: Sequence[AnyModel], now: datetime.datetime) -> Selected:
    """The documents that the selection of the first model's vertical keeps; without a model, all.

    Raises TableError for a column that a rule reads and the table lacks.
    """
    if not models or not models[0].vertical.selection.documents:
        return Selected(documents, [], {})
    documents = models[0].vertical.check_documents(documents)
    kept, counts = models[0].vertical.selection.keeps(documents, now)
    return Selected(documents.filter(kept), documents["doc_id"].filter(~kept).to_pylist(), counts)


def _vectors(model: AnyModel, documents: pa.Table) -> pa.FixedSizeListArray:
    vectors = model.encode_documents(documents)  # (rows, dim), unit length
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float32()), vectors.shape[1])


def metadata_of(models: Sequence[AnyModel]) -> dict[str, object]:
    """What a collection remembers of the models that made its vectors; `check_models` compares it."""
    return {"alicorn": __version__, "models": {model.key: model.fingerprint for model in models}}


def check_models(collection: Collection, models: Sequence[AnyModel]) -> None:
    """Raise CollectionError where a model is not the one that made the collection's vectors of its key."""
    for model in models:
        if model.key not in collection.embeddings:
            known = ", ".join(sorted(collection.embeddings)) or "none"
            raise CollectionError(
                f"the collection has no embedding {model.key!r} (it has: {known}): publish with this model first"
            )
        check_published(model, collection)


class Fingerprinted(Protocol):
    """A model, by the embedding key that it publishes under and what it is."""

    @property
    def key(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...


class Described(Protocol):
    """A collection that says which models its embeddings are of: `metadata["models"]`, key -> fingerprint."""

    @property
    def metadata(self) -> Mapping[str, Any]: ...


def check_published(model: Fingerprinted, collection: Described) -> None:
    """The collection's embeddings are this model's, or a CollectionError that says what to do."""
    published = collection.metadata.get("models", {}).get(model.key)
    if published is None:
        raise CollectionError(
            f"the collection does not say which model made its embedding {model.key!r}; this is {model.fingerprint}:"
            " publish the documents with `alicorn publish DOCS --into COLLECTION --model MODEL`"
        )
    if published != model.fingerprint:
        raise CollectionError(
            f"embedding {model.key!r} was published with model {published}, this is model {model.fingerprint}: publish"
            f" the documents with this model into a new collection, or evaluate model {published}"
        )


def _open(documents: Path) -> PartFiles:
    """The table of documents. Every doc_id is checked: a batch would replace a document of another."""
    source = open_parts(documents, "documents")
    if source.num_rows == 0:
        raise TableError(f"{documents}: the table of documents is empty", table="documents")
    with source.located():
        check_documents(source.read(["doc_id"] if "doc_id" in source.schema.names else None), {}, {})
    return source


def _embeddings(source: PartFiles, models: Sequence[AnyModel]) -> dict[str, int]:
    if models:
        keys = [model.key for model in models]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ConfigError(f"two models publish under the embedding key {twice[0]!r}: give each recipe its own")
        return {model.key: model.dim for model in models}
    return {
        field.name.removeprefix(_PREFIX): _dimension(source, field)
        for field in source.schema
        if field.name.startswith(_PREFIX)
    }


def _dimension(source: PartFiles, field: pa.Field) -> int:
    """That of the first vector, however many rows come before it."""
    if pa.types.is_list(field.type):
        for batch in source.batches([field.name], num_rows=1024):
            lengths = pc.list_value_length(batch[field.name]).drop_null()
            if len(lengths):
                return int(lengths[0].as_py())
    raise TableError(
        f"column {field.name!r} has no vector to take its dimension from", table="documents", column=field.name
    )


def _check_embeddings(collection: Collection, embeddings: dict[str, int], stored: str | None) -> None:
    if stored and any(kept != stored for kept in collection.stored.values()):
        raise CollectionError(
            f"the collection keeps its vectors as {collection.stored}, not as {stored!r}: how they are kept is chosen"
            " when a collection is made, so publish into a new one"
        )
    for key, dim in embeddings.items():
        if collection.embeddings.get(key) != dim:
            raise CollectionError(
                f"embedding {key!r} of {dim} dimensions does not fit the collection, whose embeddings are"
                f" {collection.embeddings}: publish into a new collection"
            )


def nearest(documents: np.ndarray, requests: np.ndarray, k: int) -> np.ndarray:
    """The k nearest documents of each request, by a collection of them in a temporary folder: training's Search.

    documents, requests: float32 (n, dim) and (m, dim), unit length. Returns int64 (m, k) rows of `documents`, best
    first, -1 behind the last. The answer is exact, so that a resumed run mines what an uninterrupted one would have.
    """
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(documents.ravel()), documents.shape[1])
    names = pa.array([f"{row:010d}" for row in range(len(documents))])
    found = np.full((len(requests), k), -1, dtype=np.int64)
    with (
        tempfile.TemporaryDirectory() as folder,
        Collection.create(Path(folder) / "shard", {"shard": documents.shape[1]}) as collection,
    ):
        collection.upsert(pa.table({"doc_id": names, _PREFIX + "shard": vectors}))
        collection.flush()
        expressions = [f"(nn shard :k {k})"] * len(requests)
        for row, result in enumerate(collection.search_many(expressions, {"shard": requests}, limit=k)):
            found[row, : len(result.ids)] = np.array(result.ids, dtype=np.int64)
    return found
