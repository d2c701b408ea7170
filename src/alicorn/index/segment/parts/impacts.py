"""Impacts: a bound of BM25 for each block of postings, by which a search skips parts of posting lists.

A term adds idf * tf / (tf + s + p * length) to a document's score, where s = k1 (1 - b) and p = k1 b / average. The
factor that depends on the document, tf / (...), is bounded for each block: 128 postings of the segment's one array,
whichever terms they belong to. A block keeps tf and length of its largest factor for the mean length of the segment.

A search has the mean length of the collection, s' and p'. With r = min(1, s' / s, p' / p), every factor there is at
most tf / (tf + r s + r p * length) with the tf and length that were kept: s' + p' * length is at least r times
s + p * length, and x / (x + r) grows with x = tf / (s + p * length).

A block is a word of 64 bits, from the lowest: tf (8 bits) and length (16) of its largest factor, its largest tf (8),
and the smallest id_order of its documents (32). A longer length is kept as 65,535, which raises the bound.
"""

from __future__ import annotations

import numpy as np

from alicorn.compiled import kernel

BLOCK = 128  # postings
K1 = 1.2
B = 0.75
_ROUNDED_DOWN = 1.0 - 1e-12
_LONG = np.int64(65_535)
_NONE = np.uint64(0xFFFFFFFF)


def mean_length(doc_lengths: np.ndarray) -> float:
    """The mean length of the documents of a segment; 1 if none has a text, so that it can divide."""
    return float(doc_lengths.mean()) or 1.0


def shape(average: float, b: float = B) -> tuple[float, float]:
    """k1 (1 - b) and k1 b / average."""
    return K1 * (1.0 - b), K1 * b / average


def scaled(mean: float, saturation: float, per_length: float) -> tuple[float, float]:
    """r s and r p, for s' and p'. mean: the length of the segment's documents."""
    s, p = shape(mean)
    r = min(saturation / s, per_length / p)
    r = 1.0 if r >= 1.0 else r * _ROUNDED_DOWN
    return r * s, r * p


def impacts_of(
    postings: np.ndarray, frequencies: np.ndarray, doc_lengths: np.ndarray, id_order: np.ndarray
) -> np.ndarray:
    """The words of all blocks: uint64 (ceil(len(postings) / BLOCK),). The arguments are those of a Segment."""
    blocks = np.empty((len(postings) + BLOCK - 1) // BLOCK, dtype=np.uint64)
    _fill(postings, frequencies, doc_lengths, id_order, *shape(mean_length(doc_lengths)), blocks)
    return blocks


@kernel("void(uint32[::1], uint8[::1], uint32[::1], uint32[::1], float64, float64, uint64[::1])")
def _fill(postings, frequencies, doc_lengths, id_order, saturation, per_length, blocks):
    for block in range(len(blocks)):
        best, best_tf, best_length, most = -1.0, np.int64(0), np.int64(0), np.int64(0)
        first_id = _NONE
        for at in range(block * BLOCK, min((block + 1) * BLOCK, len(postings))):
            document = postings[at]
            tf, length = np.int64(frequencies[at]), np.int64(doc_lengths[document])
            factor = tf / (tf + saturation + per_length * length)
            if factor > best:
                best, best_tf, best_length = factor, tf, length
            most = max(most, tf)
            first_id = min(first_id, np.uint64(id_order[document]))
        word = np.uint64(best_tf) | np.uint64(min(best_length, _LONG)) << np.uint64(8)
        blocks[block] = word | np.uint64(most) << np.uint64(24) | first_id << np.uint64(32)
