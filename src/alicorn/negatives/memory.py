"""Cross-batch negatives: embeddings of past batches' positives, kept for reuse (CBNS, SIGIR 2021).

After a warm-up the document tower moves slowly, so that an embedding of some batches ago is nearly what it would be
now, and costs no encoder. A small batch then has the negatives of a large one. Each is kept with the logQ it had when
it was pushed: with a streamed estimate, later ones differ.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class Remembered(NamedTuple):
    """embeddings: float32 (kept, dim), no gradient. documents: int64 (kept,) numbers. log_q: float32 (kept,)."""

    embeddings: Tensor
    documents: np.ndarray
    log_q: Tensor


class Memory:
    """First in, first out. size: documents kept at most. warm_up: batches before they are handed out."""

    def __init__(self, size: int, dim: int, warm_up: int, device: torch.device | str = "cpu") -> None:
        self.size, self.warm_up = size, warm_up
        self._embeddings = torch.zeros(size, dim, device=device)
        self._documents = np.full(size, -1, dtype=np.int64)
        self._log_q = torch.zeros(size, device=device)
        self._pushed = 0  # documents, those dropped since among them
        self._batches = 0

    def push(self, embeddings: Tensor, documents: np.ndarray, log_q: Tensor | None) -> None:
        """Keep a batch's positives, and forget the oldest beyond `size`.

        embeddings: (batch, dim), detached here. documents: int64 (batch,). log_q: (batch,), None: not corrected.
        """
        kept = slice(max(0, len(documents) - self.size), None)
        count = len(documents[kept])
        places = torch.arange(self._pushed, self._pushed + count) % self.size
        self._embeddings[places] = embeddings.detach()[kept]
        self._documents[places.numpy()] = documents[kept]
        self._log_q[places] = 0.0 if log_q is None else log_q[kept]
        self._pushed += count
        self._batches += 1

    def remembered(self) -> Remembered:
        """What is kept, until the next push; nothing before the warm-up is over."""
        count = min(self._pushed, self.size) if self._batches >= self.warm_up else 0
        return Remembered(self._embeddings[:count], self._documents[:count], self._log_q[:count])

    def state(self) -> dict[str, Any]:
        """For a checkpoint: a restored memory goes on in the same bits."""
        return {
            "embeddings": self._embeddings,
            "documents": torch.from_numpy(self._documents),
            "log_q": self._log_q,
            "pushed": self._pushed,
            "batches": self._batches,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self._embeddings.copy_(state["embeddings"])
        self._documents[:] = state["documents"].numpy()
        self._log_q.copy_(state["log_q"])
        self._pushed, self._batches = state["pushed"], state["batches"]
