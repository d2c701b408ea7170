"""Documents on their way into a segment: checked, normalised, not yet numbered. Feeds segment_builder.py, journal.py.

They come from an upsert (checking.py), from the journal, or from the live documents of a segment that is merged. The
last carry their clusters and codes along, so that a merge neither computes them again nor could change them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from alicorn.index.doc_ids import hash_ids
from alicorn.index.mapping import release
from alicorn.index.segment import Segment
from alicorn.index.terms import TermLists
from alicorn.quantization import Codes, KeyQuantizer

EMBEDDING = "embedding:"  # prefix of the columns that hold vectors
_BLOCK = 65_536  # vectors in memory at a time: 32 MiB of 128 dimensions


@dataclass(frozen=True, eq=False)
class Coded:
    """What the quantizer of `version` made of vectors. clusters: (rows,) int32; codes: of the same rows."""

    version: int
    clusters: np.ndarray
    codes: Codes


@dataclass(frozen=True, eq=False)
class KeyVectors:
    """The vectors of one key: vector i of them is row rows[i] of `vectors`, and of document docs[i].

    docs: (n,), each document at most once; vectors: (m, dim) float32 unit rows, often mapped from a segment; coded: of
    all m; rows: (n,) of them, None for all in order.
    """

    docs: np.ndarray
    vectors: np.ndarray
    coded: Coded | None = None
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.docs)

    def take(self, chosen: np.ndarray | slice, docs: np.ndarray) -> KeyVectors:
        """The chosen ones, which now belong to `docs`. No vector is copied."""
        rows = np.arange(len(self.vectors)) if self.rows is None else self.rows
        return KeyVectors(docs, self.vectors, self.coded, rows[chosen])

    def some(self, chosen: np.ndarray | slice) -> np.ndarray:
        """The chosen vectors -> (len(chosen), dim) float32."""
        return self.vectors[chosen if self.rows is None else self.rows[chosen]]

    def is_coded_by(self, quantizer: KeyQuantizer) -> bool:
        return self.coded is not None and self.coded.version == quantizer.version

    def clusters_by(self, quantizer: KeyQuantizer) -> np.ndarray:
        """(n,) int32, taken over where they are this quantizer's already."""
        if self.coded is not None and self.is_coded_by(quantizer):
            return self.coded.clusters if self.rows is None else self.coded.clusters[self.rows]
        clusters = np.empty(len(self), dtype=np.int32)
        for start in range(0, len(self), _BLOCK):
            block = slice(start, start + _BLOCK)
            clusters[block] = quantizer.assign(self.some(block))
            release(self.vectors)
        return clusters

    def codes_by(self, quantizer: KeyQuantizer, chosen: np.ndarray, vectors: np.ndarray, clusters: np.ndarray) -> Codes:
        """The codes of the chosen vectors, (len(chosen),). vectors, clusters: theirs, for those not coded yet."""
        if self.coded is not None and self.is_coded_by(quantizer):
            return self.coded.codes.take(chosen if self.rows is None else self.rows[chosen])
        return quantizer.encode(vectors, clusters)

    @property
    def nbytes(self) -> int:
        return len(self) * self.vectors.shape[1] * self.vectors.itemsize


@dataclass(frozen=True, eq=False)
class Documents:
    """fields: doc_id, static_rank float64, stored columns; id_hashes: (n,) uint32; vectors: of every embedding key."""

    fields: pa.Table
    id_hashes: np.ndarray
    terms: TermLists
    vectors: dict[str, KeyVectors]

    @classmethod
    def of_table(cls, table: pa.Table, vectors: dict[str, KeyVectors]) -> Documents:
        """table: checked; doc_id, terms (list<string> without nulls) and fields."""
        table = table.combine_chunks()
        terms = TermLists.encode(one_chunk(table.column("terms")))
        return cls(table.drop_columns("terms"), hash_ids(one_chunk(table.column("doc_id"))), terms, vectors)

    @classmethod
    def of_segment(cls, segment: Segment, deleted: np.ndarray | None) -> Documents:
        """The live documents of a segment, with their clusters and codes."""
        hashes = np.empty(segment.num_docs, dtype=np.uint32)
        hashes[segment.ids.docs] = segment.ids.hashes
        vectors = {}
        for key, block in segment.embeddings.items():
            clusters = np.repeat(np.arange(len(block.starts) - 1, dtype=np.int32), np.diff(block.starts))
            coded = Coded(block.quantizer.version, clusters, block.coded)
            vectors[key] = KeyVectors(block.docs, block.vectors, coded)
        documents = cls(segment.fields, hashes, segment.term_lists, vectors)
        return documents if deleted is None else documents.where(~deleted)

    @property
    def num_docs(self) -> int:
        return len(self.id_hashes)

    @property
    def doc_ids(self) -> pa.StringArray:
        return one_chunk(self.fields.column("doc_id"))

    @property
    def nbytes(self) -> int:
        return self.fields.nbytes + self.terms.nbytes + sum(part.nbytes for part in self.vectors.values())

    def where(self, kept: np.ndarray) -> Documents:
        """The documents marked in kept, (num_docs,) bool."""
        rows = np.flatnonzero(kept)
        renumbered = np.cumsum(kept) - 1
        vectors = {}
        for key, part in self.vectors.items():
            chosen = np.flatnonzero(kept[part.docs])
            vectors[key] = part.take(chosen, renumbered[part.docs[chosen]])
        return Documents(self.fields.take(pa.array(rows)), self.id_hashes[rows], self.terms.take(rows), vectors)

    def to_table(self) -> pa.Table:
        """What the journal keeps of an upsert: `of_table`'s table, with `embedding:<key>` list<float32> or null."""
        table = self.fields.add_column(1, "terms", self.terms.array.cast(pa.list_(pa.string())))
        for key, part in self.vectors.items():
            table = table.append_column(EMBEDDING + key, self._as_lists(part))
        return table

    def _as_lists(self, part: KeyVectors) -> pa.ListArray:
        dim = part.vectors.shape[1]
        present = np.zeros(self.num_docs, dtype=bool)
        present[part.docs] = True
        starts = np.zeros(self.num_docs + 1, dtype=np.int32)
        np.cumsum(present * dim, out=starts[1:])
        flat = part.some(slice(None)).reshape(-1)  # they are in the order of the documents
        return pa.ListArray.from_arrays(pa.array(starts), pa.array(flat), mask=pa.array(~present))

    @classmethod
    def from_table(cls, table: pa.Table, embeddings: Mapping[str, int]) -> Documents:
        """The inverse of `to_table`."""
        vectors = {key: _from_lists(table.column(EMBEDDING + key), dim) for key, dim in embeddings.items()}
        return cls.of_table(table.drop_columns([EMBEDDING + key for key in embeddings]), vectors)


def _from_lists(column: pa.ChunkedArray, dim: int) -> KeyVectors:
    lists = one_chunk(column)
    docs = np.flatnonzero(lists.is_valid().to_numpy(zero_copy_only=False))
    return KeyVectors(docs, lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim).astype(np.float32))


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array, without a copy when it is one already."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def concatenate_fields(documents: Sequence[Documents]) -> pa.Table:
    """The fields of all, one after the other; a column that some lack is null there."""
    return pa.concat_tables([part.fields for part in documents], promote_options="default")
