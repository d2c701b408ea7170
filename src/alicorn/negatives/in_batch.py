"""In-batch negatives: for each request, the positives of the other requests; free, and drawn by popularity."""

import numpy as np


def in_batch(batch: int) -> np.ndarray:
    """bool (batch, batch): every column but the request's own."""
    return ~np.eye(batch, dtype=bool)
