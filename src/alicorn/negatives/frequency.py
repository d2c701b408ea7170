"""logQ: how often is a document drawn? Positives of other requests come by popularity, random documents uniformly.

Without a correction a popular document is a negative so often that it is pushed away from requests it suits. All pairs
are at hand before training, so that the frequency is counted, where a stream would have to estimate it.
"""

import numpy as np


def log_frequency(positives: np.ndarray, num_documents: int, batch: int, random: int) -> np.ndarray:
    """float32 (num_documents,): natural log of the share of a batch's shared columns that are this document.

    positives: int64, the document of every training pair; in-batch columns follow their counts, with share
    batch / (batch + random); random ones are uniform. Without random columns a document that is no positive has -inf.
    Source: Yi et al. 2019 and Yang et al. 2020 (mixed negative sampling), papers.md 13.
    """
    popularity = np.bincount(positives, minlength=num_documents) / max(len(positives), 1)
    mixed = (batch * popularity + random / num_documents) / (batch + random)
    with np.errstate(divide="ignore"):
        return np.log(mixed).astype(np.float32)
