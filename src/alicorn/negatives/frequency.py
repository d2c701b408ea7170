"""logQ: how often is a document drawn? Positives of other requests come by popularity, random documents uniformly.

Without a correction a popular document is a negative so often that it is pushed away from requests it suits. All pairs
are at hand before training, so that the popularity is counted; a stream estimates it (StreamingPopularity).
"""

from typing import Any

import numpy as np
import torch


def log_frequency(
    positives: np.ndarray, num_documents: int, popular: int, random: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """float32 (num_documents,): natural log of the share of a batch's shared columns that are this document.

    positives: int64, the document of every training pair. weights: by which the pairs are drawn; None: alike. The rest
    as in log_mixture.
    """
    counts = np.bincount(positives, weights, num_documents)
    return log_mixture(counts / max(counts.sum(), 1e-300), num_documents, popular, random)


def log_mixture(popularity: np.ndarray, num_documents: int, popular: int, random: int) -> np.ndarray:
    """float32, as long as popularity: natural log of the share of the shared columns that are a document.

    popularity: its share among the positives. popular: columns drawn by that, in-batch and remembered ones. random:
    uniform columns; without them a document that is no positive has -inf.
    Source: Yi et al. 2019 and Yang et al. 2020 (mixed negative sampling).
    """
    mixed = (popular * popularity + random / num_documents) / (popular + random)
    with np.errstate(divide="ignore"):
        return np.log(mixed).astype(np.float32)


class StreamingPopularity:
    """How often a document is among the positives of a batch, estimated as batches pass (Yi et al., RecSys 2019).

    Where a document hashes to slot h, at batch t:    B[h] += rate (t - A[h] - B[h]),    A[h] = t
    A: the batch it was last seen in. B: mean gap between two, `gap` at first; a large one, so that a document seen once
    counts as rare. Documents in one slot make its gap too small: of several arrays the largest gap is taken.
    """

    def __init__(self, rate: float, slots: int, hashes: int, gap: float, seed: int) -> None:
        self.rate = rate
        self._last = np.zeros((hashes, slots), dtype=np.int64)
        self._gaps = np.full((hashes, slots), gap)
        self._batches = 0
        self._factors = np.random.default_rng(seed).integers(1, 2**63, size=(hashes, 1), dtype=np.uint64) | np.uint64(1)

    def see(self, documents: np.ndarray) -> None:
        """The positives of the next batch, int64; a repeated one is seen once."""
        self._batches += 1
        for last, gaps, slots in zip(self._last, self._gaps, self._slots(np.unique(documents)), strict=True):
            touched = np.unique(slots)
            gaps[touched] += self.rate * (self._batches - last[touched] - gaps[touched])
            last[touched] = self._batches

    def chance(self, documents: np.ndarray) -> np.ndarray:
        """float64 (documents,): probability that the document is among the positives of a batch."""
        slots = self._slots(documents)
        result: np.ndarray = 1.0 / np.take_along_axis(self._gaps, slots, axis=1).max(axis=0)
        return result

    def _slots(self, documents: np.ndarray) -> np.ndarray:
        """int64 (hashes, documents), by multiplication and the upper half of 64 bits."""
        products = documents.astype(np.uint64)[None, :] * self._factors
        return ((products >> np.uint64(32)) % np.uint64(self._last.shape[1])).astype(np.int64)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"last": torch.from_numpy(self._last), "gaps": torch.from_numpy(self._gaps), "batches": self._batches}

    def load_state(self, state: dict[str, Any]) -> None:
        self._last[:] = state["last"].numpy()
        self._gaps[:] = state["gaps"].numpy()
        self._batches = state["batches"]
