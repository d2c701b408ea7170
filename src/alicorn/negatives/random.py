"""Random negatives: documents of the whole corpus, uniformly, one set shared by all requests of a batch.

Recall@1 among n random negatives is a proxy of recall@K among N documents, with K ~ N/n (EBR 2.2): a target
with r documents before it is first among n random ones with probability (1 - r/N)^n, about exp(-r/K). The proxy
counts a target before rank K nearly whole and one far behind it not at all; tests/negatives/test_random.py measures it.
"""

from dataclasses import dataclass

import numpy as np

from alicorn.negatives.columns import Drawn


@dataclass(frozen=True)
class RandomDocuments:
    """`count` of `num_documents` documents, with replacement."""

    num_documents: int
    count: int

    def draw(self, pairs: np.ndarray, rng: np.random.Generator) -> Drawn:
        documents = rng.integers(0, self.num_documents, size=self.count)
        allowed = np.ones((len(pairs), self.count), dtype=bool)
        return Drawn(documents, allowed, np.ones(self.count, dtype=np.float32))
