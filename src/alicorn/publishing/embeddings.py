"""Embedding keys and dimensions that models make, or that a table of documents brings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import ConfigError, TableError
from alicorn.index.segment.building.documents import EMBEDDING
from alicorn.tables import PartFiles

if TYPE_CHECKING:  # a plain table is published without torch
    from alicorn.towers import AnyModel


def embeddings_of(source: PartFiles, models: Sequence[AnyModel]) -> dict[str, int]:
    """Embedding key -> dimension, of the models, or of the columns of a plain table."""
    if models:
        keys = [model.key for model in models]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ConfigError(f"two models publish under the embedding key {twice[0]!r}: give each recipe its own")
        return {model.key: model.dim for model in models}
    return {
        field.name.removeprefix(EMBEDDING): _dimension(source, field)
        for field in source.schema
        if field.name.startswith(EMBEDDING)
    }


def _dimension(source: PartFiles, field: pa.Field) -> int:
    """The dimension of the first vector of the column, however many rows come before it."""
    if pa.types.is_list(field.type):
        for batch in source.batches([field.name], num_rows=1024):
            lengths = pc.list_value_length(batch[field.name]).drop_null()
            if len(lengths):
                return int(lengths[0].as_py())
    raise TableError(
        f"column {field.name!r} has no vector to take its dimension from", table="documents", column=field.name
    )
