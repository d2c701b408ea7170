"""Offline hard negatives: documents that a model ranks in a window, such as 101 to 500, on a shard of the corpus.

The very top of a ranking holds documents that are right and were not clicked; those behind are wrong but tempting
(EBR 6.1). Only semi-hard examples are wanted, so one random shard is enough: a document of rank r in the corpus
has rank r x share in it. The search is passed in: training/ cannot see an index, the shell joins them
(publishing/shard_search.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# vectors of documents (n, dim), vectors of requests (m, dim), k -> int64 (m, k) rows of the k nearest documents, -1
# behind the last; all vectors float32 of unit length.
Search = Callable[[np.ndarray, np.ndarray, int], np.ndarray]

_KEPT = 16  # candidates of a pair: each epoch draws one or a few of them


@dataclass(frozen=True, eq=False)
class Shard:
    """documents: int64, ascending numbers of a random share of the corpus. first, last: ranks in it, from 1."""

    documents: np.ndarray
    first: int
    last: int

    @classmethod
    def drawn(cls, num_documents: int, share: float, ranks: tuple[int, int], rng: np.random.Generator) -> "Shard":
        """ranks: of the whole corpus. The window in the shard is in proportion, and never empty."""
        size = max(1, round(num_documents * share))
        documents = np.sort(rng.choice(num_documents, size, replace=False)).astype(np.int64)
        first = min(round((ranks[0] - 1) * share) + 1, size)
        return cls(documents, first, min(max(first, round(ranks[1] * share)), size))


def hard_of(ranked: np.ndarray, shard: Shard, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Candidates of each request: at most 16 of its documents in the window, drawn at random.

    ranked: int64 (requests, shard.last) rows of the shard, best first, -1 behind the last.
    Returns the request and the document number of each candidate, both int64.
    """
    window = ranked[:, shard.first - 1 :]
    if window.shape[1] > _KEPT:
        chosen = rng.random(window.shape).argsort(axis=1)[:, :_KEPT]
        window = np.take_along_axis(window, chosen, axis=1)
    rows, places = np.nonzero(window >= 0)
    return rows, shard.documents[window[rows, places]]
