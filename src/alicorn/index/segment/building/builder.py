"""The building of a segment from documents: numbering, postings, orders, columns, embeddings.

The same code builds the segment of a one-document upsert, of a bulk load and of a merge. Vectors are in memory one
block at a time: a block is gathered in the order of the segment, coded if it has no codes yet, and passed to the keeper
of the vectors: an array for a segment in memory, the file for a segment on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.compiled import kernel
from alicorn.index.segment.building.documents import Documents, KeyVectors, concatenate_fields
from alicorn.index.segment.numeric import numeric_columns
from alicorn.index.segment.parts.doc_ids import IdIndex
from alicorn.index.segment.parts.frequent import FrequentTerms
from alicorn.index.segment.parts.impacts import impacts_of
from alicorn.index.segment.parts.positions import PositionLists, PrefixPostings
from alicorn.index.segment.parts.terms import TEXT, TermDictionary, TermLists, count_holders, invert
from alicorn.index.segment.segment import EmbeddingBlock, Segment
from alicorn.quantization import CODES, FLOAT16, Codes, KeyQuantizer
from alicorn.tables import one_chunk

# Keeps the vectors of a key, which come in blocks of rows. shape: of all of them -> all of them.
Keep = Callable[[str, tuple[int, int], Iterator[np.ndarray]], np.ndarray]

_BLOCK = 16_384  # vectors in memory at a time: 8 MiB of 128 dimensions
# Float32 products of unit vectors of up to some 10,000 dimensions differ by less than this in any order of the sum.
_ROUNDING = np.float32(1e-5)
_HALF_ROUNDING = np.float32(6e-4)  # a row of float16 may be longer or shorter than 1 by 2 ** -11


def in_memory(_key: str, shape: tuple[int, int], blocks: Iterator[np.ndarray]) -> np.ndarray:
    """Keep the vectors of a segment in memory."""
    first = next(blocks)
    if len(first) == shape[0]:
        return first
    vectors = np.empty(shape, dtype=first.dtype)
    vectors[: len(first)] = first
    start = len(first)
    for block in blocks:
        vectors[start : start + len(block)] = block
        start += len(block)
    return vectors


def build_segment(
    sources: Sequence[Documents],
    quantizers: Mapping[str, KeyQuantizer],
    keep: Keep = in_memory,
    by_cluster: bool = True,
) -> Segment:
    """All documents of the sources as one segment: at least one document, with distinct doc_ids.

    quantizers: of every embedding key of the collection, in the order of declaration. by_cluster: number the documents
    by the cluster of the first key, and then by doc_id; else by doc_id alone.
    """
    offsets = np.cumsum([0] + [source.num_docs for source in sources])
    clusters = {
        key: [source.vectors[key].clusters_by(quantizer) for source in sources] for key, quantizer in quantizers.items()
    }
    fields = concatenate_fields(sources)
    id_rank = _ranks(pc.sort_indices(one_chunk(fields.column("doc_id"))).to_numpy())
    first_key = next((key for key in quantizers if by_cluster and any(map(len, clusters[key]))), None)
    first_clusters = _cluster_of(sources, offsets, first_key, clusters)
    order = np.argsort(first_clusters.astype(np.int64) << 32 | id_rank)
    numbers = _ranks(order)  # place among the sources -> document number

    fields = fields.take(pa.array(order)).combine_chunks()
    terms = TermLists.concatenate([source.terms for source in sources]).take(order).sorted()
    dictionary = TermDictionary(terms.dictionary)
    posting_starts, postings, frequencies = _postings(terms)
    positions = {
        prefix: PositionLists.of(terms, PrefixPostings.of(dictionary, prefix, posting_starts, postings, frequencies))
        for prefix in terms.positioned
    }
    static_rank = one_chunk(fields.column("static_rank")).to_numpy().copy()
    id_order = id_rank[order].astype(np.uint32)
    doc_lengths = _doc_lengths(terms)
    hashes = np.concatenate([source.id_hashes for source in sources])[order]
    return Segment(
        fields=fields,
        term_lists=replace(terms, positioned=(), positions=None),
        terms=dictionary,
        posting_starts=posting_starts,
        postings=postings,
        frequencies=frequencies,
        static_rank=static_rank,
        id_order=id_order,
        static_order=_ranks(np.lexsort((id_order, -static_rank))).astype(np.uint32),
        doc_lengths=doc_lengths,
        impacts=impacts_of(postings, frequencies, doc_lengths, id_order),
        frequent=FrequentTerms.of(posting_starts, postings, len(order)),
        ids=IdIndex.build(one_chunk(fields.column("doc_id")), hashes),
        columns=numeric_columns(fields),
        embeddings={
            key: _embedding_block(
                key, sources, offsets, numbers, quantizer, np.concatenate(clusters.pop(key)), key == first_key, keep
            )
            for key, quantizer in quantizers.items()
        },
        positions=positions,
    )


def _ranks(order: np.ndarray) -> np.ndarray:
    """The inverse of a permutation -> (n,) int64."""
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _cluster_of(
    sources: Sequence[Documents], offsets: np.ndarray, key: str | None, clusters: Mapping[str, Sequence[np.ndarray]]
) -> np.ndarray:
    """The cluster of every document for a key; for a document without a vector, a number above all clusters."""
    every = np.full(offsets[-1], np.iinfo(np.int32).max, dtype=np.int32)
    if key is not None:
        for source, offset, own in zip(sources, offsets[:-1], clusters[key], strict=True):
            every[offset + source.vectors[key].docs.astype(np.int64)] = own
    return every


def _postings(terms: TermLists) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The posting_starts, postings and frequencies of a Segment. lists: over a sorted dictionary."""
    counts = np.zeros(len(terms.dictionary), dtype=np.int64)
    count_holders(terms.codes, terms.starts, counts)
    posting_starts = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=posting_starts[1:])
    postings = np.empty(posting_starts[-1], dtype=np.uint32)
    frequencies = np.empty(posting_starts[-1], dtype=np.uint8)
    invert(terms.codes, terms.starts, posting_starts, postings, frequencies)
    return posting_starts, postings, frequencies


def _doc_lengths(terms: TermLists) -> np.ndarray:
    before = np.zeros(len(terms.codes) + 1, dtype=np.int64)
    np.cumsum(terms.are_of(TEXT.removesuffix(":")), out=before[1:])
    lengths: np.ndarray = np.diff(before[terms.starts]).astype(np.uint32)
    return lengths


def _embedding_block(
    key: str,
    sources: Sequence[Documents],
    offsets: np.ndarray,
    numbers: np.ndarray,
    quantizer: KeyQuantizer,
    clusters: np.ndarray,
    is_first: bool,
    keep: Keep,
) -> EmbeddingBlock:
    """The block of one key. clusters: (rows,) of the vectors of all sources, one after the other."""
    parts = [source.vectors[key] for source in sources]
    docs = np.concatenate(
        [numbers[offset + part.docs.astype(np.int64)] for part, offset in zip(parts, offsets[:-1], strict=True)]
    )
    order = np.argsort(clusters.astype(np.int64) << 32 | docs)
    docs, clusters = docs[order], clusters[order]
    starts = np.zeros(quantizer.num_clusters + 1, dtype=np.int64)
    np.cumsum(np.bincount(clusters, minlength=quantizer.num_clusters), out=starts[1:])
    rows_of = np.full(offsets[-1], -1, dtype=np.int32)
    rows_of[docs] = np.arange(len(docs))
    coded = Codes.empty(len(docs), quantizer.codec)
    min_cosines = np.ones(quantizer.num_clusters, dtype=np.float32)
    blocks = _coded_blocks(parts, order, clusters, quantizer, coded, min_cosines)
    return EmbeddingBlock(
        quantizer=quantizer,
        vectors=keep(key, (len(docs), 0 if quantizer.stored == CODES else quantizer.dim), blocks),
        coded=coded,
        starts=starts,
        docs=docs.astype(np.uint32),
        identity=is_first,
        rows_of=rows_of,
        min_cosines=min_cosines,
    )


def _coded_blocks(
    parts: Sequence[KeyVectors],
    order: np.ndarray,
    clusters: np.ndarray,
    quantizer: KeyQuantizer,
    coded: Codes,
    min_cosines: np.ndarray,
) -> Iterator[np.ndarray]:
    """Yield the stored vectors in their new order, block by block, and fill `coded` and `min_cosines`.

    order: (rows,) the index of each row in the vectors of all parts; clusters: (rows,) in the new order.
    """
    first_of = np.cumsum([0] + [len(part) for part in parts])
    for start in range(0, max(len(order), 1), _BLOCK):
        places = order[start : start + _BLOCK]
        own = clusters[start : start + len(places)]
        vectors = np.empty((len(places), quantizer.dim), dtype=np.float32)
        part_of = np.searchsorted(first_of, places, side="right") - 1
        for number, part in enumerate(parts):
            here = np.flatnonzero(part_of == number)
            if len(here):
                chosen = places[here] - first_of[number]
                vectors[here] = gathered = part.some(chosen)
                codes = part.codes_by(quantizer, chosen, gathered, own[here])
                for array, some in zip(coded.arrays(), codes.arrays(), strict=True):
                    array[start + here] = some
                part.release()
        rounding = _HALF_ROUNDING if quantizer.stored == FLOAT16 else _ROUNDING
        _lower_cosines(vectors, own, quantizer.coarse.centroids, rounding, min_cosines)
        yield _as_stored(vectors, quantizer.stored)


def _as_stored(vectors: np.ndarray, stored: str) -> np.ndarray:
    """The vectors that a segment keeps beside the codes: (n, dim) float32 or float16, or (n, 0)."""
    if stored == CODES:
        return vectors[:, :0]
    return vectors.astype(np.float16) if stored == FLOAT16 else vectors


@kernel("void(float32[:, ::1], int32[::1], float32[:, ::1], float32, float32[::1])", fastmath=True)
def _lower_cosines(vectors, clusters, centroids, rounding, smallest):
    """Lower the bound of each cluster to the smallest cosine of its members to the centroid; an empty one keeps 1."""
    for row in range(len(vectors)):
        cluster = clusters[row]
        total = np.float32(0.0)
        for j in range(vectors.shape[1]):
            total += vectors[row, j] * centroids[cluster, j]
        smallest[cluster] = min(smallest[cluster], total - rounding)
