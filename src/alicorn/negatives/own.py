"""Negatives of a request's own: shown and not clicked, or mined from a rank window (offline hard). A Source.

They are columns like all others, allowed to their request only. Each may count for more or less than one negative: so a
request's mined negatives keep a set ratio to its easy ones (EBR: easy to hard about 100:1), however few are shown.
"""

from dataclasses import dataclass

import numpy as np

from alicorn.negatives.columns import Drawn


@dataclass(frozen=True, eq=False)
class OwnNegatives:
    """Candidates of pair i: documents[offsets[i]:offsets[i + 1]]. offsets: int64 (pairs + 1,), documents: int64.

    per_positive: drawn for each pair, with replacement; a pair without candidates has none. weight: of each of them.
    """

    offsets: np.ndarray
    documents: np.ndarray
    per_positive: int
    weight: float = 1.0

    @classmethod
    def of(cls, pairs: np.ndarray, documents: np.ndarray, num_pairs: int, per_positive: int) -> "OwnNegatives":
        """pairs: int64 (candidates,), the pair of each candidate, in any order. documents: int64, same length."""
        order = np.argsort(pairs, kind="stable")
        offsets = np.searchsorted(pairs[order], np.arange(num_pairs + 1)).astype(np.int64)
        return cls(offsets, documents[order].astype(np.int64), per_positive)

    def draw(self, pairs: np.ndarray, rng: np.random.Generator) -> Drawn:
        sizes = self.offsets[pairs + 1] - self.offsets[pairs]
        rows = np.repeat(np.flatnonzero(sizes), self.per_positive)
        places = (rng.random(len(rows)) * sizes[rows]).astype(np.int64)
        allowed = np.zeros((len(pairs), len(rows)), dtype=bool)
        allowed[rows, np.arange(len(rows))] = True
        weights = np.full(len(rows), self.weight, dtype=np.float32)
        return Drawn(self.documents[self.offsets[pairs[rows]] + places], allowed, weights)
