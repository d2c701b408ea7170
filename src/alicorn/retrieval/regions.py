"""The regions of searchers, from the file of `alicorn interests` to the {regions} of a template.

A region is a document, which is the medoid of an interest, and a cosine distance. Both are columns of a searcher, as
the documents chosen last are: a server reads them by the searcher's id, or a request brings them along.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import AlicornError, ConfigError, TableError
from alicorn.index import Snapshot
from alicorn.language.templates import REGION_COLUMNS, region_names
from alicorn.query.any_collection import AnyCollection
from alicorn.tables import open_parts
from alicorn.vertical import Vertical
from alicorn.vertical.columns import Column, ColumnType
from alicorn.vertical.schema import KnownColumns

SERVED = 3
"""Regions of a request: the most important whose medoids the collection has. PinnerSage serves as many interests."""
REGION_TYPES = tuple(
    Column(name, kind, "{regions} of expressions")
    for name, kind in zip(REGION_COLUMNS, (ColumnType.STRINGS, ColumnType.FLOATS), strict=True)
)


class KnownRegions(NamedTuple):
    """known: the columns of a searcher, the regions among them those that are served. vectors: float32 (dim,) of the
    medoids, by the names that the expression calls them by."""

    known: KnownColumns
    vectors: dict[str, np.ndarray]


def key_of(table: pa.Table) -> str:
    """The embedding that a table of interests is of. Raises TableError where `alicorn interests` did not write it."""
    found = (table.schema.metadata or {}).get(b"key")
    if found is None or not {"searcher_id", "doc_ids", "importance", "radii"} <= set(table.column_names):
        raise TableError("table interests: it is none that `alicorn interests` wrote", table="interests")
    result: str = found.decode()
    return result


def read_interests(path: Path) -> pa.Table:
    """The file that `alicorn interests` wrote, with its key. Raises TableError."""
    source = open_parts(path, "interests")
    table = source.read().replace_schema_metadata(source.metadata)
    key_of(table)
    return table


def read_regions(path: Path, vertical: Vertical) -> pa.Table:
    """searcher_id and REGION_COLUMNS of the file that `alicorn interests` wrote.

    Raises TableError where it is of another embedding than the vertical's, ConfigError where no expression asks for
    regions.
    """
    if not asks_for_regions(vertical):
        raise ConfigError(
            f"interests are for the {{regions}} of an expression, and vertical '{vertical.name}' has none: leave them"
            ' out, or write a channel such as regions: "(or {regions})"'
        )
    table = read_interests(path)
    if key_of(table) != vertical.embedding:
        raise TableError(
            f"table interests: it is of embedding {key_of(table)!r}, and {{regions}} of vertical '{vertical.name}' are"
            f" of {vertical.embedding!r}: run `alicorn interests --key {vertical.embedding}`",
            table="interests",
        )
    return table.select(["searcher_id", "doc_ids", "radii"]).rename_columns(["searcher_id", *REGION_COLUMNS])


def with_regions(table: pa.Table, searcher_ids: pa.ChunkedArray, regions: pa.Table | None) -> pa.Table:
    """A table with REGION_COLUMNS of the searcher of each row; null where there are none, or `regions` is None."""
    if regions is None:
        kinds = (pa.list_(pa.string()), pa.list_(pa.float64()))
        found = [pa.nulls(len(table), kind) for kind in kinds]
    else:
        rows = pc.index_in(searcher_ids, regions["searcher_id"].combine_chunks())
        found = [regions[name].take(rows) for name in REGION_COLUMNS]
    for name, column in zip(REGION_COLUMNS, found, strict=True):
        table = table.append_column(name, column)
    return table


def asks_for_regions(vertical: Vertical) -> bool:
    return REGION_COLUMNS[0] in vertical.asker_columns and REGION_COLUMNS[1] in vertical.asker_columns


def served_regions(known: KnownColumns, collection: AnyCollection, key: str) -> KnownRegions:
    """The first regions of a searcher whose medoids the collection has.

    known: columns of the searcher. Raises AlicornError where documents and radii are not parallel, and for a radius
    that is none.
    """
    doc_ids, given = (known.get(name) or [] for name in REGION_COLUMNS)
    if not doc_ids and not given:
        return KnownRegions(known, {})
    radii = np.array([np.nan if one is None else one for one in given], dtype=np.float64)
    if len(radii) != len(doc_ids) or not ((radii > 0) & (radii <= 2)).all():
        ids, distances = REGION_COLUMNS
        raise AlicornError(
            f"searcher: {distances} has a cosine distance in (0, 2] for each document of {ids}, got {len(doc_ids)}"
            f" documents and {', '.join(f'{radius:g}' for radius in radii[:10]) or 'nothing'}"
        )
    is_there, vectors = stored_vectors(collection.holding(doc_ids), key, doc_ids)
    kept = np.flatnonzero(is_there)[:SERVED]
    columns = ([doc_ids[at] for at in kept], radii[kept].tolist())
    return KnownRegions(
        {**known, **dict(zip(REGION_COLUMNS, columns, strict=True))},
        {name: vectors[at] for name, at in zip(region_names(len(kept)), kept, strict=True)},
    )


def stored_vectors(snapshot: Snapshot, key: str, doc_ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """known: bool (ids,), whether a document is there and has the embedding. vectors: float32 (ids, dim), 0 if not."""
    known = np.zeros(len(doc_ids), dtype=bool)
    vectors = np.zeros((len(doc_ids), snapshot.embeddings[key]), dtype=np.float32)
    for at, doc_id in enumerate(doc_ids):
        place = snapshot.find(doc_id)
        block = None if place is None else place[0].segment.embeddings.get(key)
        if place is None or block is None or block.rows_of[place[1]] < 0:
            continue
        known[at] = True
        vectors[at] = block.stored(block.rows_of[place[1] : place[1] + 1])[0]
    return known, vectors
