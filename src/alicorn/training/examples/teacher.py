"""What a teacher said of queries and documents, as the margins that the loss margin_mse learns."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class TeacherScores:
    """queries, documents: int64 (pairs,), query number and positive of each training pair. keys: int64, ascending, the
    query x num_documents + document of what was scored. scores: float32, as long as keys.
    """

    queries: np.ndarray
    documents: np.ndarray
    keys: np.ndarray
    scores: np.ndarray
    num_documents: int

    @classmethod
    def of(
        cls,
        queries: np.ndarray,
        documents: np.ndarray,
        scored_queries: np.ndarray,
        scored_documents: np.ndarray,
        scores: np.ndarray,
        num_documents: int,
    ) -> "TeacherScores":
        """scored_queries, scored_documents: int64 (scores,), of each score, in any order."""
        keys = scored_queries * num_documents + scored_documents
        order = np.argsort(keys, kind="stable")
        return cls(queries, documents, keys[order], scores[order].astype(np.float32), num_documents)

    def margins(self, pairs: np.ndarray, columns: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        """float32 (pairs, columns): score of the positive minus that of the column; NaN where one of them has none.

        pairs: int64, numbers of training pairs. columns: int64, documents. allowed: bool (pairs, columns), which may be
        a negative of which; what may not is NaN.
        """
        found = np.full(allowed.shape, np.nan, dtype=np.float32)
        rows, at = np.nonzero(allowed)
        of_positives = self._scores(self.queries[pairs], self.documents[pairs])
        found[rows, at] = of_positives[rows] - self._scores(self.queries[pairs[rows]], columns[at])
        return found

    def _scores(self, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """float32, NaN for what was not scored."""
        wanted = queries * self.num_documents + documents
        at = np.minimum(np.searchsorted(self.keys, wanted), max(len(self.keys) - 1, 0))
        if len(self.keys) == 0:
            return np.full(len(wanted), np.nan, dtype=np.float32)
        return np.where(self.keys[at] == wanted, self.scores[at], np.float32(np.nan))
