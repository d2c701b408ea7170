"""A judge says whether a document answers a query; P_good@K is the share of the first K that do (MGDSPR 4.3)."""

from typing import Protocol

import numpy as np

from alicorn.evaluation.searches import Searches


class Judge(Protocol):
    """Decides whether a document answers a search."""

    def judge(self, searches: Searches, ranked: np.ndarray) -> np.ndarray:
        """float64 (searches, depth): how likely each document of a run answers its search, in [0, 1].

        ranked: int32 (searches, depth), numbers of searches.documents, -1 for none. NaN: there is none, or it cannot
        say.
        """


def good_at(chances: np.ndarray, k: int) -> np.ndarray:
    """float64 (searches,): P_good@K, the share of the judged among the first K that are more likely good than not.

    chances: (searches, depth), NaN for a document that is not judged. A search without a judged document gets NaN.
    """
    first = chances[:, :k]
    judged = (~np.isnan(first)).sum(axis=1)
    good = (first >= 0.5).sum(axis=1)
    shares = np.full(len(first), np.nan)
    np.divide(good, judged, out=shares, where=judged > 0)
    return shares
