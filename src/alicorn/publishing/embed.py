"""Vectors of documents as a file, which `publish` takes without a model beside terms and stored columns."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from alicorn.errors import ConfigError
from alicorn.index.segment.building.documents import EMBEDDING
from alicorn.publishing.documents import BATCH_ROWS, embedding_column, open_documents
from alicorn.tables.plain import text_column

if TYPE_CHECKING:
    from alicorn.towers import AnyModel


def embed(
    documents: Path, model: AnyModel, out: Path, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> int:
    """Write doc_id and embedding:<key> of the documents of a Parquet file or folder; returns their number.

    The file is there when it is complete: what `publish` takes without a model, beside terms and stored columns.
    Raises TableError, ConfigError.
    """
    if out.is_dir() or not out.parent.is_dir():
        raise ConfigError(f"{out}: give a file to write, in a folder that exists")
    source = open_documents(documents, [model])
    unfinished = out.with_name(f".{out.name}.embedding")
    column = pa.field(EMBEDDING + model.key, pa.list_(pa.float32(), model.dim))
    schema = pa.schema([pa.field("doc_id", pa.string()), column])
    done = 0
    try:
        with pq.ParquetWriter(unfinished, schema) as writer:
            for batch in source.batches(num_rows=BATCH_ROWS):
                with source.located(done):
                    vectors = embedding_column(model, batch)
                writer.write_table(
                    pa.table([text_column(batch["doc_id"], "documents", "doc_id"), vectors], schema=schema)
                )
                done += len(batch)
                on_progress(done, source.num_rows)
        os.replace(unfinished, out)
    finally:
        unfinished.unlink(missing_ok=True)
    return done
