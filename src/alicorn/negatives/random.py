"""Random negatives: documents of the whole corpus, uniformly, one set shared by all requests of a batch.

Recall@1 among n random negatives is a proxy of recall@K among N documents, with K ~ N/n (papers.md 1.1).
"""

import numpy as np


def random_documents(num_documents: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` document numbers, int64, drawn with replacement from 0..num_documents-1."""
    return rng.integers(0, num_documents, size=count)
