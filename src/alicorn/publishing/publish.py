"""Tables of documents, embedded by models where given, into a collection, new or existing.

A new collection is made beside its place and renamed when every row was accepted: a refused table leaves nothing.
"""

from __future__ import annotations

import datetime
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from alicorn.errors import CollectionError, ConfigError, TableError
from alicorn.publishing.documents import BATCH_ROWS, Indexed, indexed, open_documents
from alicorn.publishing.embeddings import embeddings_of
from alicorn.publishing.provenance import check_models, check_vertical, metadata_of
from alicorn.quantization import FLOAT32
from alicorn.query import Collection
from alicorn.tables import PartFiles

if TYPE_CHECKING:  # a plain table is published without torch
    from alicorn.towers import AnyModel

CALIBRATING = 256  # requests: as many as a collection keeps of each key


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
    positions: Sequence[str] = (),
    requests: pa.Table | None = None,
    index: Callable[[PartFiles], Iterator[Indexed]] | None = None,
) -> Published:
    """Write the documents of a Parquet file or folder into a collection, new or existing.

    models: each embeds the documents under its own key, unless they bring that column already (`alicorn embed` makes
    it); terms and stored columns come from the first one's vertical. A document that its `selection` leaves out is not
    written, and removed where the collection holds it. now: for rules about time, with its zone; the present unless
    given.
    stored: how a new collection keeps the vectors of every key, one of quantization.STORED, float32 unless given; an
    existing one keeps them as it does, and another value is refused.
    positions: of a plain table, the prefixes of terms whose positions are kept; a model's vertical says
    so in its analysis.
    requests: of a log, as `Model.encode_requests` takes them: they calibrate `:recall` of every model's key in a new
    collection.
    index: makes the batches of the documents of `models`, in the order of the table (distributed/batch/documents.py);
    made here unless given.
    Without a model the table is plain: doc_id, terms, embedding:<key> and stored columns.
    on_progress(done, total) is called after every batch.
    Raises TableError, CollectionError (the collection was published with another model), ConfigError.
    """
    started = time.perf_counter()
    if into.exists() and not into.is_dir():
        raise CollectionError(f"{into} is a file: give the folder of a collection, new or existing")
    is_new = not (into.exists() and any(into.iterdir()))
    source = open_documents(documents, models, {} if is_new else _kept_types(into))
    embeddings = embeddings_of(source, models)
    now = now or datetime.datetime.now(datetime.UTC)
    if requests is not None and not (models and is_new):
        raise ConfigError(
            "requests calibrate the keys of models in a new collection: give a model, or calibrate a collection that"
            " exists by `alicorn tune` with --queries and --apply"
        )
    done = removed = 0
    left_out: Counter[str] = Counter()
    enter = _created if is_new else _existing
    with enter(into, embeddings, models, stored, _positions(models, positions)) as collection:
        for model in models if requests is not None else ():
            collection.train(key=model.key, queries=model.encode_requests(requests))
        batches = index(source) if index else _indexed(source, models, now)
        for chosen in batches:
            with source.located(done + left_out.total()):
                removed += collection.apply(chosen.documents, chosen.left_out_ids).deleted
            left_out.update({rule: len(ids) for rule, ids in chosen.left_out.items()})
            done += len(chosen.documents)
            on_progress(done + left_out.total(), source.num_rows)
        if is_new and done == 0:
            counts = "; ".join(f"{rule}: {count:,}" for rule, count in left_out.items())
            message = f"{documents}: the vertical's selection leaves out every document ({counts})"
            raise TableError(message, table="documents")
    return Published(done, time.perf_counter() - started, embeddings, dict(left_out), removed)


def _indexed(source: PartFiles, models: Sequence[AnyModel], now: datetime.datetime) -> Iterator[Indexed]:
    rows = 0
    for batch in source.batches(num_rows=BATCH_ROWS):
        with source.located(rows):
            made = indexed(batch, models, now)
        yield made
        rows += len(batch)


@contextmanager
def _created(
    into: Path, embeddings: dict[str, int], models: Sequence[AnyModel], stored: str | None, positions: Sequence[str]
) -> Iterator[Collection]:
    """A new collection, made beside its place; it is in its place when everything was accepted, else it is gone."""
    unfinished = into.with_name(f".{into.name}.publishing")
    if unfinished.exists():
        shutil.rmtree(unfinished)  # left by a publish that was killed
    declared = {key: {"dim": dim, "stored": stored or FLOAT32} for key, dim in embeddings.items()}
    made = metadata_of(models, models[0].vertical if models else None)
    try:
        with Collection.create(unfinished, declared, metadata=made, positions=positions) as collection:
            yield collection
            collection.flush()
            collection.merge()
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    if into.exists():
        into.rmdir()  # empty, as was checked
    os.replace(unfinished, into)


@contextmanager
def _existing(
    into: Path, embeddings: dict[str, int], models: Sequence[AnyModel], stored: str | None, positions: Sequence[str]
) -> Iterator[Collection]:
    """A collection that these models and embeddings fit; flushed when everything was accepted."""
    with Collection.open(into) as collection:
        check_models(collection, models)
        if models:
            check_vertical(collection, models[0].vertical)
        _check_embeddings(collection, embeddings, stored)
        collection.add_positions([prefix for prefix in positions if prefix not in collection.positions])
        yield collection
        collection.flush()


def _kept_types(into: Path) -> Mapping[str, pa.DataType]:
    """The types of the stored columns of a collection, by which CSV is read."""
    with Collection.open(into, read_only=True) as collection:
        return collection.snapshot().columns


def _positions(models: Sequence[AnyModel], positions: Sequence[str]) -> Sequence[str]:
    if models and positions:
        raise ConfigError("the vertical says which positions are kept: set `positions: true` in its analysis")
    return models[0].vertical.positions() if models else positions


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
                f" {collection.embeddings}: publish into a new collection, or give the documents of this one the key by"
                " `alicorn publish` with --as"
            )
