"""A segment: one immutable, searchable set of documents.

The same class holds the batches of the memtable (arrays in memory) and the segments on disk (arrays mapped from
files). Documents are numbered by (coarse cluster of the segment's first embedding key, doc_id); documents without that
embedding come last. A cluster is therefore a range of numbers, and its codes are contiguous.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.index.segment.parts.block_arrays import BlockArrays
from alicorn.index.segment.parts.doc_ids import IdIndex, hash_ids
from alicorn.index.segment.parts.frequent import FrequentTerms
from alicorn.index.segment.parts.positions import PositionLists, PrefixPostings
from alicorn.index.segment.parts.terms import TermDictionary, TermLists
from alicorn.quantization import CODES, FLOAT16, Codes, KeyQuantizer
from alicorn.quantization.kernels.named import located
from alicorn.tables import python_values


@dataclass(frozen=True, eq=False)
class NumericColumn:
    """A stored column of numbers, booleans, dates, times or durations as an array; NaN counts as null.

    values: (num_docs,) float64 for floats, uint64 for uint64, else int64: bool as 0 and 1, times in the column's
        own unit, decimals without the point, or, with more than 18 digits, as ranks among the segment's values;
    valid: (num_docs,) bool; sorted_values, sorted_docs (uint32): the valid ones by (value, document number).
    """

    values: np.ndarray
    valid: np.ndarray
    sorted_values: np.ndarray
    sorted_docs: np.ndarray


@dataclass(frozen=True, eq=False)
class EmbeddingBlock:
    """The vectors of one embedding key, in rows by (cluster, document number); a document has at most one row.

    vectors: (rows, dim) float32 or float16 unit rows, or (rows, 0) if only the codes are stored;
    coded: the codes and their errors;
    starts: (num_clusters + 1,) int64, cluster c has the rows starts[c] to starts[c + 1];
    docs: (rows,) uint32 row -> document number; identity: docs is 0, 1, 2 ... (the segment's first key);
    rows_of: (num_docs,) int32 document number -> row, -1 when the document has no such embedding;
    min_cosines: (num_clusters,) float32, no member of the cluster has a smaller cosine to its centroid; 1 when empty.
    """

    quantizer: KeyQuantizer
    vectors: np.ndarray
    coded: Codes
    starts: np.ndarray
    docs: np.ndarray
    identity: bool
    rows_of: np.ndarray
    min_cosines: np.ndarray

    @classmethod
    def empty(cls, quantizer: KeyQuantizer, num_docs: int) -> EmbeddingBlock:
        """The block of a key that no document of a segment has."""
        kind = np.float16 if quantizer.stored == FLOAT16 else np.float32
        return cls(
            quantizer=quantizer,
            vectors=np.empty((0, 0 if quantizer.stored == CODES else quantizer.dim), dtype=kind),
            coded=Codes.empty(0, quantizer.codec),
            starts=np.zeros(quantizer.num_clusters + 1, dtype=np.int64),
            docs=np.empty(0, dtype=np.uint32),
            identity=False,
            rows_of=np.full(num_docs, -1, dtype=np.int32),
            min_cosines=np.ones(quantizer.num_clusters, dtype=np.float32),
        )

    def stored(self, rows: np.ndarray) -> np.ndarray:
        """The stored vectors of some rows -> (len(rows), dim) float32."""
        if self.quantizer.stored == CODES:
            return self.quantizer.decode(self.coded.take(rows))
        vectors: np.ndarray = self.vectors[rows].astype(np.float32, copy=False)
        return vectors

    @cached_property
    def arrays(self) -> BlockArrays:
        """The block as the compiled search reads it."""
        return BlockArrays.of(self.quantizer, self.vectors, self.coded, self.starts, self.min_cosines, self.docs)

    @cached_property
    def located(self) -> BlockArrays:
        """`arrays` by their addresses."""
        found: BlockArrays = located(self.arrays)
        return found

    def documents_of(self, rows: np.ndarray) -> np.ndarray:
        """The documents of some rows. uint32 (n,) -> uint32 (n,)."""
        return rows if self.identity else self.docs[rows]

    @property
    def nbytes(self) -> int:
        arrays = (self.vectors, self.starts, self.docs, self.rows_of, self.min_cosines)
        return self.coded.nbytes + sum(array.nbytes for array in arrays)


@dataclass(frozen=True, eq=False)
class Segment:
    """Immutable. All arrays are indexed by document number unless said otherwise.

    fields: doc_id string, static_rank float64, then the other stored columns, each in one chunk;
    term_lists: the terms as upserted; terms: the sorted dictionary;
    posting_starts: (num_terms + 1,) int64; postings: uint32 document numbers, ascending within a term;
    frequencies: uint8, parallel to postings, occurrences of the term in the document, 255 for 255 and more;
    static_rank: float64; id_order: uint32 rank of the doc_id (by UTF-8 bytes);
    static_order: uint32 rank in (static_rank descending, doc_id ascending);
    doc_lengths: uint32 number of `text:` terms with repetition (BM25);
    impacts: uint64, a bound of BM25 for each block of postings (impacts.py); frequent: bitmaps of the frequent terms;
    columns: every stored column that is a number, boolean, timestamp or date;
    embeddings: every key of the collection, also one without any row here;
    positions: of every prefix whose positions the collection keeps;
    name, checksum: of the file, the name without the suffix; None in memory.
    """

    fields: pa.Table
    term_lists: TermLists
    terms: TermDictionary
    posting_starts: np.ndarray
    postings: np.ndarray
    frequencies: np.ndarray
    static_rank: np.ndarray
    id_order: np.ndarray
    static_order: np.ndarray
    doc_lengths: np.ndarray
    impacts: np.ndarray
    frequent: FrequentTerms
    ids: IdIndex
    columns: dict[str, NumericColumn]
    embeddings: dict[str, EmbeddingBlock]
    positions: dict[str, PositionLists] = field(default_factory=dict)
    name: str | None = field(default=None)
    checksum: str | None = field(default=None)

    @property
    def num_docs(self) -> int:
        return len(self.static_rank)

    @property
    def doc_ids(self) -> pa.StringArray:
        return self.ids.doc_ids

    @cached_property
    def nbytes(self) -> int:
        """The bytes of fields, terms, vectors and codes; orders and numeric columns add some."""
        vectors = sum(block.nbytes for block in self.embeddings.values())
        positions = sum(lists.nbytes for lists in self.positions.values())
        return int(self.fields.nbytes) + self.term_lists.nbytes + vectors + positions

    def with_quantizers(self, quantizers: Mapping[str, KeyQuantizer]) -> Segment:
        """The same segment with other quantizers; these must give its vectors the same codes."""
        blocks = {key: replace(block, quantizer=quantizers[key]) for key, block in self.embeddings.items()}
        return replace(self, embeddings=blocks)

    @cached_property
    def has_ranks(self) -> bool:
        """Whether any static rank is not 0."""
        return bool(self.static_rank.any())

    def with_keys(self, quantizers: Mapping[str, KeyQuantizer]) -> Segment:
        """The same segment with an empty block for each key that was added after it was made."""
        if quantizers.keys() <= self.embeddings.keys():
            return self
        blocks = {
            key: self.embeddings.get(key) or EmbeddingBlock.empty(one, self.num_docs) for key, one in quantizers.items()
        }
        return replace(self, embeddings=blocks)

    def num_with(self, term: str) -> int:
        """How many documents have a term, deleted ones included."""
        number = self.terms.find(term)
        return int(self.posting_starts[number + 1] - self.posting_starts[number]) if number >= 0 else 0

    def span_of(self, term: str) -> slice:
        """The slice of the postings of a term; empty if no document has it."""
        number = self.terms.find(term)
        if number < 0:
            return slice(0, 0)
        return slice(int(self.posting_starts[number]), int(self.posting_starts[number + 1]))

    def postings_of(self, prefix: str) -> PrefixPostings:
        """The postings of the terms `prefix:...`."""
        return PrefixPostings.of(self.terms, prefix, self.posting_starts, self.postings, self.frequencies)

    def positioned_terms(self, numbers: np.ndarray | None = None) -> TermLists:
        """The terms of documents with their positions. numbers: (n,) integers, of the documents; None: of all."""
        terms = self.term_lists if numbers is None else self.term_lists.take(numbers)
        if not self.positions:
            return terms
        positions = np.zeros(len(terms.codes), dtype=np.uint32)
        for prefix, lists in self.positions.items():
            if numbers is None:
                lists.restore(terms, self.postings_of(prefix), positions)
            else:
                lists.restore_some(terms, numbers, self.postings_of(prefix), positions)
        return replace(terms, positioned=tuple(self.positions), positions=positions)

    @cached_property
    def by_static_rank(self) -> np.ndarray:
        """All document numbers in static order: uint32 (num_docs,), the inverse of `static_order`."""
        numbers = np.empty(self.num_docs, dtype=np.uint32)
        numbers[self.static_order] = np.arange(self.num_docs, dtype=np.uint32)
        return numbers

    @cached_property
    def stored(self) -> pa.Table:
        """doc_id, terms and the stored columns as upserted. `terms` is list<dictionary<integer, string>>."""
        return self.fields.add_column(1, "terms", self.term_lists.array)

    def document(self, number: int) -> dict[str, Any]:
        """doc_id, terms and stored columns of one document as Python values (tables/values.py)."""
        row = self.stored.slice(number, 1)
        return {name: python_values(row.column(name))[0] for name in row.column_names}

    def number_of(self, doc_id: str) -> int:
        """The document number of an id, or -1."""
        return self.ids.number_of(doc_id)

    def numbers_of(self, doc_ids: Sequence[str]) -> np.ndarray:
        """The document number of each id, or -1 -> (len(doc_ids),) int64."""
        wanted = pa.array(doc_ids, pa.string())
        return self.ids.find(wanted, hash_ids(wanted))
