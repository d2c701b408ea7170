"""How many targets have something like them among the first results?

Recall says whether the very document was found; where searchers browse, one like it may do. Source: PinnerSage (KDD
2020), which calls it relevance, with a cosine of 0.8.
"""

import numpy as np

from alicorn.evaluation.metrics.ranking import Targets


def likeness_at(ranked: np.ndarray, targets: Targets, vectors: np.ndarray, k: int, least: float = 0.8) -> np.ndarray:
    """float64 (searches,): share of the targets with a cosine of `least` or more to one of the first k documents.

    ranked: a run, int32 (searches, depth). vectors: float (documents, dim), unit length. A target outside the corpus
    (-1) is like nothing and stays in the denominator; targets of grade 0 are none. NaN for a search without targets.
    """
    shares = np.full(len(targets), np.nan)
    for search, (start, stop) in enumerate(zip(targets.starts[:-1], targets.starts[1:], strict=True)):
        wanted = targets.documents[start:stop][targets.grades[start:stop] > 0]
        if len(wanted) == 0:
            continue
        shown = ranked[search, :k]
        cosines = vectors[wanted[wanted >= 0]] @ vectors[shown[shown >= 0]].T
        shares[search] = (cosines.max(axis=1, initial=-1.0) >= least).sum() / len(wanted)
    return shares
