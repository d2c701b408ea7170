"""Recall in the loop is the recall of a sort, ties by row."""

import numpy as np
import torch

from alicorn.training.validation import _ranks


def test_ranks_equal_a_stable_sort() -> None:
    rng = np.random.default_rng(0)
    corpus = rng.integers(-2, 3, (200, 3)).astype(np.float32)  # many equal scores
    requests = rng.integers(-2, 3, (15, 3)).astype(np.float32)
    rows, targets = rng.integers(0, 15, 60), rng.integers(0, 200, 60)
    ranks = _ranks(torch.from_numpy(requests), torch.from_numpy(corpus), rows, targets)
    for row, target, rank in zip(rows, targets, ranks, strict=True):
        order = np.argsort(-(corpus @ requests[row]), kind="stable")
        assert order[rank] == target
