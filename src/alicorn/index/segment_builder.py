"""From documents to a segment in memory: numbering, postings, orders, columns, embeddings. Feeds mutable.py, store.py.

One path builds the segment of a one-document upsert, of a bulk load, and of a merge: vectors and codes are scattered
straight into their place, so that building holds the vectors twice, not more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.index.doc_ids import IdIndex
from alicorn.index.documents import Documents, concatenate_fields, one_chunk
from alicorn.index.numeric import numeric_column
from alicorn.index.segment import EmbeddingBlock, NumericColumn, Segment
from alicorn.index.terms import TermDictionary, TermLists
from alicorn.quantization import Codes, KeyQuantizer

_TEXT = "text:"  # terms whose number is the document's length
_BLOCK = 16_384  # rows: the gathered centroids of a block of 128 dims are 8 MiB
# Float32 products of unit vectors, however summed, differ by less than this for up to some 10,000 dimensions.
_ROUNDING = np.float32(1e-5)


def build_segment(sources: Sequence[Documents], quantizers: Mapping[str, KeyQuantizer]) -> Segment:
    """All documents of the sources as one segment; doc_ids are distinct, and there is at least one document.

    quantizers: every embedding key of the collection, in the order of declaration.
    """
    sources = [source.coded_by(quantizers) for source in sources]
    offsets = np.cumsum([0] + [source.num_docs for source in sources])
    fields = concatenate_fields(sources)
    id_rank = _ranks(pc.sort_indices(one_chunk(fields.column("doc_id"))).to_numpy())
    first_key = next((key for key in quantizers if any(len(source.vectors[key].docs) for source in sources)), None)
    order = np.argsort(_cluster_of(sources, offsets, first_key).astype(np.int64) << 32 | id_rank)
    numbers = _ranks(order)  # place among the sources -> document number

    fields = fields.take(pa.array(order)).combine_chunks()
    terms = TermLists.concatenate([source.terms for source in sources]).take(order).sorted()
    posting_starts, postings, frequencies = _postings(terms)
    static_rank = one_chunk(fields.column("static_rank")).to_numpy().copy()
    id_order = id_rank[order].astype(np.uint32)
    hashes = np.concatenate([source.id_hashes for source in sources])[order]
    return Segment(
        fields=fields,
        term_lists=terms,
        terms=TermDictionary(terms.dictionary),
        posting_starts=posting_starts,
        postings=postings,
        frequencies=frequencies,
        static_rank=static_rank,
        id_order=id_order,
        static_order=_ranks(np.lexsort((id_order, -static_rank))).astype(np.uint32),
        doc_lengths=_doc_lengths(terms),
        ids=IdIndex.build(one_chunk(fields.column("doc_id")), hashes),
        columns=_columns(fields),
        embeddings={
            key: _embedding_block(key, sources, offsets, numbers, quantizer, is_first=key == first_key)
            for key, quantizer in quantizers.items()
        },
    )


def _ranks(order: np.ndarray) -> np.ndarray:
    """The inverse of a permutation -> (n,) int64."""
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _cluster_of(sources: Sequence[Documents], offsets: np.ndarray, key: str | None) -> np.ndarray:
    """The cluster of every document for the key; one above all clusters where it has no such vector."""
    clusters = np.full(offsets[-1], np.iinfo(np.int32).max, dtype=np.int32)
    if key is not None:
        for source, offset in zip(sources, offsets[:-1], strict=True):
            part = source.vectors[key]
            assert part.coded is not None
            clusters[offset + part.docs.astype(np.int64)] = part.coded.clusters
    return clusters


def _postings(terms: TermLists) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """posting_starts, postings and frequencies of Segment, from lists over a sorted dictionary."""
    docs = np.repeat(np.arange(len(terms.starts) - 1), np.diff(terms.starts))
    occurrences = np.sort(terms.codes.astype(np.int64) << 32 | docs)
    firsts = np.flatnonzero(np.diff(occurrences, prepend=-1))
    counts = np.diff(firsts, append=len(occurrences))
    pairs = occurrences[firsts]
    posting_starts = np.zeros(len(terms.dictionary) + 1, dtype=np.int64)
    np.cumsum(np.bincount(pairs >> 32, minlength=len(terms.dictionary)), out=posting_starts[1:])
    return posting_starts, (pairs & 0xFFFFFFFF).astype(np.uint32), np.minimum(counts, 255).astype(np.uint8)


def _doc_lengths(terms: TermLists) -> np.ndarray:
    is_text = pc.starts_with(terms.dictionary, _TEXT).to_numpy(zero_copy_only=False).astype(bool)
    before = np.zeros(len(terms.codes) + 1, dtype=np.int64)
    np.cumsum(is_text[terms.codes], out=before[1:])
    return np.diff(before[terms.starts]).astype(np.uint32)


def _columns(fields: pa.Table) -> dict[str, NumericColumn]:
    columns = {name: numeric_column(one_chunk(fields.column(name))) for name in fields.column_names}
    return {name: column for name, column in columns.items() if column is not None}


def _embedding_block(
    key: str,
    sources: Sequence[Documents],
    offsets: np.ndarray,
    numbers: np.ndarray,
    quantizer: KeyQuantizer,
    *,
    is_first: bool,
) -> EmbeddingBlock:
    parts = [source.vectors[key] for source in sources]
    coded = [part.coded for part in parts if part.coded is not None]
    docs = np.concatenate(
        [numbers[offset + part.docs.astype(np.int64)] for part, offset in zip(parts, offsets[:-1], strict=True)]
    )
    clusters = np.concatenate([one.clusters for one in coded])
    order = np.argsort(clusters.astype(np.int64) << 32 | docs)
    rows = _ranks(order)  # place among the parts -> row
    vectors = _scattered([part.vectors for part in parts], rows)
    starts = np.zeros(quantizer.num_clusters + 1, dtype=np.int64)
    np.cumsum(np.bincount(clusters, minlength=quantizer.num_clusters), out=starts[1:])
    rows_of = np.full(offsets[-1], -1, dtype=np.int32)
    rows_of[docs] = rows
    return EmbeddingBlock(
        quantizer=quantizer,
        vectors=vectors,
        coded=Codes(*(_scattered(parts, rows) for parts in zip(*(one.codes.arrays() for one in coded), strict=True))),
        starts=starts,
        docs=docs[order].astype(np.uint32),
        identity=is_first,
        rows_of=rows_of,
        min_cosines=_min_cosines(vectors, starts, quantizer.coarse.centroids),
    )


def _scattered(parts: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """The rows of all parts, each at its place."""
    if len(parts) == 1 and len(rows) == 1:
        return parts[0]
    out = np.empty((len(rows), *parts[0].shape[1:]), dtype=parts[0].dtype)
    start = 0
    for part in parts:
        out[rows[start : start + len(part)]] = part
        start += len(part)
    return out


def _min_cosines(vectors: np.ndarray, starts: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Per cluster, a bound that no member's cosine to the centroid is below; 1 for an empty one."""
    clusters = np.repeat(np.arange(len(centroids)), np.diff(starts))
    cosines = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        block = slice(start, start + _BLOCK)
        cosines[block] = np.einsum("ij,ij->i", vectors[block], centroids[clusters[block]])
    smallest = np.ones(len(centroids), dtype=np.float32)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        smallest[filled] = np.minimum.reduceat(cosines, starts[filled]) - _ROUNDING
    return smallest
