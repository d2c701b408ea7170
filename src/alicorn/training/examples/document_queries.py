"""The frequent queries that each document was chosen for: labels of the auxiliary task (Que2Search, section 3.1)."""

from dataclasses import dataclass

import numpy as np


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
