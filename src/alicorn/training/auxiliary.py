"""A second task for the document tower: which frequent queries is it chosen for?

Que2Search, papers.md 3.1: a small network and a softmax over the most frequent queries stand on the document's
embedding; a document chosen for k of them has target 1/k for each. It is used in training alone, and not served.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class DocumentQueries:
    """The frequent queries that each document was chosen for: queries[offsets[i]:offsets[i + 1]] of document i.

    offsets: int64 (documents + 1,). queries: int64, numbers of the frequent queries, from 0. num_queries: how many.
    """

    offsets: np.ndarray
    queries: np.ndarray
    num_queries: int

    @classmethod
    def of(cls, queries: np.ndarray, documents: np.ndarray, num_documents: int, most: int) -> "DocumentQueries":
        """queries, documents: int64 (pairs,), numbers. most: of the frequent queries; the first of equal ones win."""
        counts = np.bincount(queries)
        frequent = np.argsort(-counts, kind="stable")[: min(most, np.count_nonzero(counts))]
        classes = np.full(len(counts), -1, dtype=np.int64)
        classes[frequent] = np.arange(len(frequent))
        labelled = classes[queries] >= 0
        chosen = np.unique(np.stack([documents[labelled], classes[queries[labelled]]]), axis=1)  # sorted by document
        offsets = np.searchsorted(chosen[0], np.arange(num_documents + 1)).astype(np.int64)
        return cls(offsets, chosen[1], len(frequent))

    def labels(self, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row among `documents` and query of each label, both int64."""
        sizes = self.offsets[documents + 1] - self.offsets[documents]
        rows = np.repeat(np.arange(len(documents)), sizes)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return rows, self.queries[self.offsets[documents[rows]] + within]


class AuxiliaryHead(nn.Module):
    """From embeddings (rows, dim) to logits (rows, num_queries)."""

    def __init__(self, dim: int, hidden: int, num_queries: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.hidden = nn.Linear(dim, hidden)
            self.output = nn.Linear(hidden, num_queries)

    def forward(self, embeddings: Tensor) -> Tensor:
        return self.output(torch.relu(self.hidden(embeddings)))


def multi_label_loss(logits: Tensor, rows: Tensor, labels: Tensor) -> Tensor:
    """Mean over labelled rows of -sum over their k labels of log softmax / k; 0 where no row has one. A scalar, nats.

    logits: (documents, num_queries). rows, labels: int64 (labels,), row and query of each label.
    """
    if len(rows) == 0:
        return logits.sum() * 0.0
    shares = 1.0 / torch.bincount(rows, minlength=len(logits)).clamp(min=1).to(logits.dtype)
    terms = torch.log_softmax(logits, dim=1)[rows, labels] * shares[rows]
    return -terms.sum() / len(torch.unique(rows))
