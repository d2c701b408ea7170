"""Vectors of documents as a table, which `publish` takes without a model beside terms and stored columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from alicorn.distributed.batch.engines import BatchEngine
from alicorn.distributed.batch.job import Job, fingerprint_of
from alicorn.distributed.batch.run import run, unfinished
from alicorn.index.segment.building.documents import EMBEDDING
from alicorn.publishing.documents import BATCH_ROWS, embedding_column, known_types, open_documents
from alicorn.tables.plain import text_column


class EmbeddedDocuments(NamedTuple):
    """The documents, those of them that a killed run had embedded already, and the key and dimension of the vectors."""

    documents: int
    kept: int
    key: str
    dim: int


@dataclass(frozen=True)
class _Embedding:
    """The transform. model: its folder; schema: doc_id and embedding:<key>."""

    model: Path
    schema: pa.Schema

    def start(self, threads: int | None) -> Callable[[pa.Table], pa.Table]:
        import torch

        from alicorn.towers import Model

        if threads is not None:
            torch.set_num_threads(threads)
        model = Model.load(self.model)

        def embedded(batch: pa.Table) -> pa.Table:
            vectors = embedding_column(model, batch)
            return pa.table([text_column(batch["doc_id"], "documents", "doc_id"), vectors], schema=self.schema)

        return embedded


def embed(
    documents: Path,
    model: Path,
    out: Path,
    engine: BatchEngine = BatchEngine.LOCAL,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    overwrite: bool = False,
) -> EmbeddedDocuments:
    """Write doc_id and embedding:<key> of the documents of a file or folder, by the model of a folder.

    out: a file that ends in .parquet, or a folder of part files, one for each row group of the documents; it is there
    when it is complete. overwrite: it may replace another. A run that was killed goes on where it stopped, if table and
    model are the same. On Ray and Spark, a task has one thread of arithmetic; documents, model and out are where all
    workers have them.
    Raises TableError, ModelError, ConfigError.
    """
    from alicorn.towers import Model

    engine.check()
    folder = unfinished(out, overwrite)
    loaded = Model.load(model)
    source = open_documents(documents, [loaded])
    column = pa.field(EMBEDDING + loaded.key, pa.list_(pa.float32(), loaded.dim))
    schema = pa.schema([pa.field("doc_id", pa.string()), column])
    job = Job(
        fingerprint_of(source, loaded.fingerprint),
        documents.absolute(),
        source.name,
        pa.schema(list(known_types([loaded]).items())),
        _Embedding(model.absolute(), schema),
        schema,
        folder.absolute(),
        BATCH_ROWS,
        None if engine is BatchEngine.LOCAL else 1,
    )
    kept = run(job, source, engine, out, on_progress)
    return EmbeddedDocuments(source.num_rows, kept, loaded.key, loaded.dim)
