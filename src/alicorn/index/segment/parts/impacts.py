"""The largest BM25 factor of each block of postings: which parts of a posting list a search by BM25 can skip.

A term adds idf * tf / (tf + k1 (1 - b) + (k1 b / average) * length) to a document's score. The factor that depends on
the document, tf / (...), is bounded for each block: 128 postings of the segment's one array, whichever terms they
belong to. The factor depends on the average length, so bounds hold for one average; they are made when a search first
reads a block, and anew when the average has changed.

A block is one word of 64 bits, so that threads may make it at once: tf (8 bits) and length (16) of its largest factor,
its largest tf (8), and the smallest id_order of its documents (32); 0 until it is made. A longer length is kept as
65,535, which raises the bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK = 128  # postings


@dataclass(frozen=True, eq=False)
class Impacts:
    """average: of the lengths, for which the bounds hold. blocks: (ceil(num_postings / BLOCK),) uint64."""

    average: float
    blocks: np.ndarray

    @classmethod
    def empty(cls, num_postings: int, average: float) -> Impacts:
        return cls(average, np.zeros((num_postings + BLOCK - 1) // BLOCK, dtype=np.uint64))
