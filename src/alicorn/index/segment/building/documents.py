"""Documents on their way into a segment: checked, normalised, not yet numbered.

They come from an upsert, from the journal, or from a segment that is merged. Documents of a segment keep their
clusters and codes, so a merge neither computes nor changes them.

If a key is not stored as float32, `kept_by` rounds its vectors before anything else sees them: clusters, codes and
answers are all computed from the stored vectors (docs/decisions/006-stored-precision.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from alicorn.index.durability.mapping import release
from alicorn.index.segment.parts.doc_ids import hash_ids
from alicorn.index.segment.parts.terms import TermLists
from alicorn.index.segment.segment import Segment
from alicorn.quantization import CODES, FLOAT16, FLOAT32, Codes, KeyQuantizer
from alicorn.tables import concatenated, one_chunk

EMBEDDING = "embedding:"  # prefix of the columns of vectors
POSITIONS = "term_positions"  # the column of the positions of terms
_BLOCK = 65_536  # vectors in memory at a time: 32 MiB of 128 dimensions


@dataclass(frozen=True, eq=False)
class Coded:
    """The output of a quantizer for some vectors. clusters: (rows,) int32; codes: (rows,)."""

    quantizer: KeyQuantizer
    clusters: np.ndarray
    codes: Codes


@dataclass(frozen=True, eq=False)
class KeyVectors:
    """The vectors of one key: vector i is row rows[i] of `vectors` and belongs to document docs[i].

    docs: (n,), each document at most once; vectors: (m, dim) float32 or float16 unit rows, often mapped from a segment,
    or (m, 0) if only the codes are stored; coded: of all m rows; rows: (n,) row numbers, None for all rows in order.
    """

    docs: np.ndarray
    vectors: np.ndarray
    coded: Coded | None = None
    rows: np.ndarray | None = None

    @classmethod
    def none(cls, dim: int) -> KeyVectors:
        """The vectors of a key that no document has."""
        return cls(np.empty(0, dtype=np.int64), np.empty((0, dim), dtype=np.float32))

    def __len__(self) -> int:
        return len(self.docs)

    def take(self, chosen: np.ndarray | slice, docs: np.ndarray) -> KeyVectors:
        """The chosen vectors, now of the documents `docs`. No vector is copied."""
        rows = np.arange(len(self.vectors)) if self.rows is None else self.rows
        return KeyVectors(docs, self.vectors, self.coded, rows[chosen])

    def some(self, chosen: np.ndarray | slice) -> np.ndarray:
        """The chosen vectors -> (len(chosen), dim) float32."""
        rows = chosen if self.rows is None else self.rows[chosen]
        if self.coded is not None and self.coded.quantizer.stored == CODES:
            return self.coded.quantizer.decode(self.coded.codes.take(rows))
        return self.vectors[rows].astype(np.float32, copy=False)

    def kept_by(self, quantizer: KeyQuantizer) -> KeyVectors:
        """The vectors, rounded to the stored precision of a quantizer; rounding twice changes nothing."""
        if quantizer.stored == FLOAT32:
            return self
        if quantizer.stored == FLOAT16:
            return replace(self, vectors=self.vectors.astype(np.float16))
        codes = quantizer.encode(self.vectors, np.empty(0, dtype=np.int32))
        unassigned = Coded(quantizer, np.empty(0, dtype=np.int32), codes)
        kept = KeyVectors(self.docs, self.vectors[:, :0], unassigned)
        return replace(kept, coded=replace(unassigned, clusters=kept.assigned_by(quantizer)))

    def release(self) -> None:
        """Release mapped memory: see mapping.py."""
        release(self.vectors)
        if self.coded is not None and self.coded.quantizer.stored == CODES:
            release(self.coded.codes.codes)
            release(self.coded.codes.fine)

    def as_lists(self, num_docs: int) -> pa.ListArray:
        """list<float32>, one for each document, null where it has no vector. `docs` ascends."""
        flat = self.some(slice(None))
        present = np.zeros(num_docs, dtype=bool)
        present[self.docs] = True
        starts = np.zeros(num_docs + 1, dtype=np.int32)
        np.cumsum(present * flat.shape[1], out=starts[1:])
        return pa.ListArray.from_arrays(pa.array(starts), pa.array(flat.reshape(-1)), mask=pa.array(~present))

    def is_coded_by(self, quantizer: KeyQuantizer) -> bool:
        return self.coded is not None and self.coded.quantizer.version == quantizer.version

    def clusters_by(self, quantizer: KeyQuantizer) -> np.ndarray:
        """The clusters of the vectors, (n,) int32; those of this quantizer are kept."""
        if self.coded is not None and self.is_coded_by(quantizer):
            return self.coded.clusters if self.rows is None else self.coded.clusters[self.rows]
        return self.assigned_by(quantizer)

    def assigned_by(self, quantizer: KeyQuantizer) -> np.ndarray:
        """The clusters that a quantizer assigns to the stored vectors: (n,) int32."""
        clusters = np.empty(len(self), dtype=np.int32)
        for start in range(0, len(self), _BLOCK):
            block = slice(start, start + _BLOCK)
            clusters[block] = quantizer.assign(self.some(block))
            self.release()
        return clusters

    def codes_by(self, quantizer: KeyQuantizer, chosen: np.ndarray, vectors: np.ndarray, clusters: np.ndarray) -> Codes:
        """The codes of the chosen vectors. vectors, clusters: of the chosen ones, for coding those without codes."""
        if self.coded is not None and (self.is_coded_by(quantizer) or quantizer.stored == CODES):
            return self.coded.codes.take(chosen if self.rows is None else self.rows[chosen])
        return quantizer.encode(vectors, clusters)

    @property
    def nbytes(self) -> int:
        if self.coded is not None and self.coded.quantizer.stored == CODES:
            return len(self) * int(self.coded.quantizer.codec.code_size)
        return int(len(self) * self.vectors.shape[1] * self.vectors.itemsize)


@dataclass(frozen=True, eq=False)
class Documents:
    """fields: doc_id, static_rank (float64), stored columns; id_hashes: (n,) uint32; vectors: of every key."""

    fields: pa.Table
    id_hashes: np.ndarray
    terms: TermLists
    vectors: dict[str, KeyVectors]

    @classmethod
    def of_table(cls, table: pa.Table, vectors: dict[str, KeyVectors], positioned: tuple[str, ...] = ()) -> Documents:
        """table: checked; doc_id, terms (list<string> without nulls) and fields. positioned: prefixes of terms;
        if there are any, the column POSITIONS is list<uint32>, parallel to the terms."""
        table = table.combine_chunks()
        lists = one_chunk(table.column("terms"))
        terms = TermLists.encode(lists, positioned, one_chunk(table.column(POSITIONS)) if positioned else None)
        fields = table.drop_columns(["terms", POSITIONS] if positioned else ["terms"])
        return cls(fields, hash_ids(one_chunk(table.column("doc_id"))), terms, vectors)

    @classmethod
    def of_segment(cls, segment: Segment, deleted: np.ndarray | None) -> Documents:
        """The live documents of a segment, with their clusters and codes."""
        hashes = np.empty(segment.num_docs, dtype=np.uint32)
        hashes[segment.ids.docs] = segment.ids.hashes
        vectors = {}
        for key, block in segment.embeddings.items():
            clusters = np.repeat(np.arange(len(block.starts) - 1, dtype=np.int32), np.diff(block.starts))
            coded = Coded(block.quantizer, clusters, block.coded)
            vectors[key] = KeyVectors(block.docs, block.vectors, coded)
        documents = cls(segment.fields, hashes, segment.positioned_terms(), vectors)
        return documents if deleted is None else documents.where(~deleted)

    @classmethod
    def at(cls, segment: Segment, numbers: np.ndarray) -> Documents:
        """Some documents of a segment, in the order of `numbers`, (n,) integers. Their vectors are copied."""
        fields = segment.fields.take(pa.array(numbers))
        vectors = {}
        for key, block in segment.embeddings.items():
            rows = block.rows_of[numbers]
            docs = np.flatnonzero(rows >= 0)
            vectors[key] = KeyVectors(docs, block.stored(rows[docs]))
        return cls(fields, hash_ids(one_chunk(fields["doc_id"])), segment.positioned_terms(numbers), vectors)

    @property
    def num_docs(self) -> int:
        return len(self.id_hashes)

    @property
    def doc_ids(self) -> pa.StringArray:
        return one_chunk(self.fields.column("doc_id"))

    @property
    def nbytes(self) -> int:
        return int(self.fields.nbytes) + self.terms.nbytes + sum(part.nbytes for part in self.vectors.values())

    def kept_by(self, quantizers: Mapping[str, KeyQuantizer]) -> Documents:
        """The documents with vectors as the collection stores them."""
        return replace(self, vectors={key: part.kept_by(quantizers[key]) for key, part in self.vectors.items()})

    def where(self, kept: np.ndarray) -> Documents:
        """The documents with True in kept, (num_docs,) bool."""
        rows = np.flatnonzero(kept)
        renumbered = np.cumsum(kept) - 1
        vectors = {}
        for key, part in self.vectors.items():
            chosen = np.flatnonzero(kept[part.docs])
            vectors[key] = part.take(chosen, renumbered[part.docs[chosen]])
        return Documents(self.fields.take(pa.array(rows)), self.id_hashes[rows], self.terms.take(rows), vectors)

    def to_table(self) -> pa.Table:
        """The table for the journal: that of `of_table`, with `embedding:<key>`, list<float32> or null."""
        table = self.fields.add_column(1, "terms", self.terms.array.cast(pa.list_(pa.string())))
        if self.terms.positions is not None:
            lists = pa.ListArray.from_arrays(pa.array(self.terms.starts), pa.array(self.terms.positions))
            table = table.add_column(2, POSITIONS, lists)
        for key, part in self.vectors.items():
            table = table.append_column(EMBEDDING + key, part.as_lists(self.num_docs))
        return table

    @classmethod
    def from_table(cls, table: pa.Table, embeddings: Mapping[str, int], positioned: tuple[str, ...] = ()) -> Documents:
        """The inverse of `to_table`."""
        vectors = listed_vectors(table, embeddings)
        names = [name for name in table.column_names if not name.startswith(EMBEDDING)]
        return cls.of_table(table.select(names), vectors, positioned)


def listed_vectors(table: pa.Table, embeddings: Mapping[str, int]) -> dict[str, KeyVectors]:
    """The vectors of a table as `to_table` gives it. embeddings: key -> dimension; a key that was added after the
    table was made has no vector."""
    return {
        key: _from_lists(table.column(EMBEDDING + key), dim)
        if EMBEDDING + key in table.column_names
        else KeyVectors.none(dim)
        for key, dim in embeddings.items()
    }


def _from_lists(column: pa.ChunkedArray, dim: int) -> KeyVectors:
    lists = one_chunk(column)
    docs = np.flatnonzero(lists.is_valid().to_numpy(zero_copy_only=False))
    return KeyVectors(docs, lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim).astype(np.float32))


def concatenate_fields(documents: Sequence[Documents]) -> pa.Table:
    """The fields of all parts, one after the other; a part without a column gets nulls, and values decide the type."""
    return concatenated([part.fields for part in documents])
