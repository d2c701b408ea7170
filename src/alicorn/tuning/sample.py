"""The vectors and queries of a measurement, drawn from a collection or read from Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn.errors import CollectionError, ConfigError, TableError, VectorError
from alicorn.index import Snapshot
from alicorn.tables import open_parts


@dataclass(frozen=True, eq=False)
class Queries:
    """vectors: (n, dim) float32 unit rows. own: the doc_id of each where queries are documents, which is not counted
    as an answer; None where they are not."""

    vectors: np.ndarray
    own: list[str] | None = None

    def __len__(self) -> int:
        return len(self.vectors)


def num_vectors(snapshot: Snapshot, key: str) -> int:
    """How many live documents have the embedding."""
    return sum(len(rows) for _, rows in _live_rows(snapshot, key))


def documents_of(snapshot: Snapshot, key: str, most: int, seed: int) -> tuple[list[str], np.ndarray]:
    """doc_ids and vectors, (n, dim) float32, of all live documents that have the embedding, or of `most` of them."""
    parts = _live_rows(snapshot, key)
    total = sum(len(rows) for _, rows in parts)
    if total == 0:
        raise CollectionError(f"no document of the collection has the embedding {key!r}: publish some first")
    chosen = np.arange(total)
    if total > most:
        chosen = np.sort(np.random.default_rng((seed, 1)).choice(total, most, replace=False))
    ids: list[str] = []
    vectors = np.empty((len(chosen), snapshot.embeddings[key]), dtype=np.float32)
    start, done = 0, 0
    for at, rows in parts:
        segment = snapshot.segments[at].segment
        low, high = np.searchsorted(chosen, (start, start + len(rows)))
        picked = rows[chosen[low:high] - start]
        block = segment.embeddings[key]
        vectors[done : done + len(picked)] = block.stored(picked)
        ids += segment.doc_ids.take(pa.array(block.docs[picked])).to_pylist()
        start, done = start + len(rows), done + len(picked)
    return ids, vectors


def sampled_queries(ids: list[str], vectors: np.ndarray, count: int, seed: int) -> Queries:
    """Some of the documents as queries; each is excluded from its own answer."""
    if len(ids) < 2:
        raise CollectionError("a collection of one document has no neighbours to look for: give --queries")
    chosen = np.random.default_rng((seed, 2)).choice(len(ids), min(count, len(ids)), replace=False)
    return Queries(vectors[chosen], [ids[number] for number in chosen])


def read_queries(path: Path, key: str, dim: int, most: int, seed: int) -> Queries:
    """Vectors of a Parquet file: its column `embedding:<key>`, else its only column of lists of numbers.

    Of more than `most` rows a seeded sample is taken. Raises TableError, VectorError.
    """
    source = open_parts(path, "queries")
    column = _vector_column(path, source.schema, key)
    values = source.read([column])[column]
    if values.null_count or len(values) == 0:
        problem = "has no row" if len(values) == 0 else f"has {values.null_count} rows without a vector"
        raise TableError(f"{path}, column {column!r}: it {problem}: give vectors only", table="queries", column=column)
    lengths = {len(value) for value in values}
    if lengths != {dim}:
        raise VectorError(f"{path}, column {column!r}: embedding {key!r} has {dim} dimensions, got {sorted(lengths)}")
    rows = np.arange(len(values))
    if len(values) > most:
        rows = np.sort(np.random.default_rng((seed, 2)).choice(len(values), most, replace=False))
    vectors = np.array(values.take(pa.array(rows)).to_pylist(), dtype=np.float64)
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    wrong = np.flatnonzero(~(np.isfinite(largest[:, 0]) & (largest[:, 0] > 0)))
    if len(wrong):
        raise VectorError(f"{path}, column {column!r}, row {rows[wrong[0]]}: a vector is finite and not zero")
    vectors /= largest  # so that no square overflows or becomes 0
    return Queries((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32))


def _vector_column(path: Path, schema: pa.Schema, key: str) -> str:
    lists = [field.name for field in schema if pa.types.is_list(field.type)]
    if f"embedding:{key}" in lists:
        return f"embedding:{key}"
    if len(lists) != 1:
        raise TableError(
            f"{path}: expected Parquet with a column 'embedding:{key}' or one column of lists, got {schema.names}",
            table="queries",
        )
    return str(lists[0])


def _live_rows(snapshot: Snapshot, key: str) -> list[tuple[int, np.ndarray]]:
    """Per segment: its place in the snapshot, and the rows of its live documents that have the embedding."""
    if key not in snapshot.embeddings:
        known = ", ".join(sorted(snapshot.embeddings)) or "none"
        raise ConfigError(f"the collection has no embedding {key!r} (it has: {known})")
    parts = []
    for at, view in enumerate(snapshot.segments):
        docs = view.segment.embeddings[key].docs
        rows = np.arange(len(docs)) if view.deleted is None else np.flatnonzero(~view.deleted[docs])
        parts.append((at, rows))
    return parts
