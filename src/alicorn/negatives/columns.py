"""The columns of a batch: its positives, then what every source of negatives adds.

One interface for all sources: `draw` says which documents, which requests may take them, and how much each counts. The
mask of known positives comes last, so that no source can give a positive as a negative.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from alicorn.negatives.accidental import KnownPositives
from alicorn.negatives.in_batch import in_batch


@dataclass(frozen=True, eq=False)
class Drawn:
    """What one source adds to a batch.

    documents: int64 (columns,) document numbers. allowed: bool (batch, columns), column j may be a negative of request
    i. weights: float32 (columns,), how many negatives a column counts as.
    """

    documents: np.ndarray
    allowed: np.ndarray
    weights: np.ndarray


class Source(Protocol):
    """A source of negatives beside the positives of the batch."""

    def draw(self, pairs: np.ndarray, rng: np.random.Generator) -> Drawn:
        """pairs: int64 (batch,), numbers of training pairs."""


@dataclass(frozen=True, eq=False)
class Columns:
    """All columns of a batch, the positives of its pairs first; arrays as in Drawn."""

    documents: np.ndarray
    allowed: np.ndarray
    weights: np.ndarray


def batch_columns(
    pairs: np.ndarray,
    positives: np.ndarray,
    others: bool,
    sources: Sequence[Source],
    known: KnownPositives,
    rng: np.random.Generator,
) -> Columns:
    """pairs: int64 (batch,). positives: int64 (batch,), their documents. others: in-batch negatives are allowed."""
    drawn = [source.draw(pairs, rng) for source in sources]
    documents = np.concatenate([positives, *(one.documents for one in drawn)])
    allowed = np.hstack([in_batch(len(pairs)) & others, *(one.allowed for one in drawn)])
    allowed &= ~known.mask(pairs, documents)
    weights = np.concatenate([np.ones(len(pairs), dtype=np.float32), *(one.weights for one in drawn)])
    return Columns(documents, allowed, weights)
