"""logQ: the frequency is that of the batches that are drawn, and the correction keeps popular documents in place."""

import numpy as np
import pytest
import torch

from alicorn.losses import softmax_loss
from alicorn.negatives import KnownPositives, RandomDocuments, batch_columns, in_batch, log_frequency


def test_it_is_the_share_of_the_columns_of_drawn_batches() -> None:
    rng = np.random.default_rng(0)
    positives = np.minimum((rng.random(2000) ** 3 * 20).astype(np.int64), 19)  # few documents have most clicks
    known = KnownPositives.of(np.arange(2000), positives)
    seen = np.zeros(25)
    for _ in range(400):
        pairs = rng.permutation(2000)[:64]
        columns = batch_columns(pairs, positives[pairs], True, [RandomDocuments(25, 32)], known, rng)
        seen += np.bincount(columns.documents, minlength=25)
    expected = np.exp(log_frequency(positives, 25, batch=64, random=32))
    np.testing.assert_allclose(seen / seen.sum(), expected, rtol=0.1)
    assert expected.sum() == np.float32(1.0) or abs(expected.sum() - 1) < 1e-6


def test_without_random_columns_a_document_that_is_no_positive_is_never_drawn() -> None:
    found = log_frequency(np.array([0, 0, 1]), 3, batch=2, random=0)
    np.testing.assert_allclose(np.exp(found), [2 / 3, 1 / 3, 0])


def test_with_logq_popular_documents_are_ahead_as_clicked_without_it_all_are_alike() -> None:
    """Free scores of 40 documents, clicked as 1 / rank by requests that are all alike.

    The softmax over in-batch negatives is least where scores are log P(document | request) - log q + constant; with the
    correction, log P(document | request). Here both probabilities are one (Yi et al. 2019).
    """
    rng = np.random.default_rng(0)
    popularity = 1.0 / np.arange(1, 41)
    popularity /= popularity.sum()
    positives = rng.choice(40, 20_000, p=popularity)
    log_q = torch.from_numpy(log_frequency(positives, 40, batch=200, random=0)).double()

    def slope(corrected: bool) -> float:
        """Of the learned scores over log popularity."""
        heights = torch.zeros(40, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.Adam([heights], lr=0.1)
        for start in range(0, 20_000, 200):
            batch = torch.from_numpy(positives[start : start + 200])
            requests = torch.ones(200, 1, dtype=torch.float64)
            allowed = torch.from_numpy(in_batch(200)) & (batch[:, None] != batch[None, :])
            optimizer.zero_grad()
            given = log_q[batch] if corrected else None
            softmax_loss(requests, heights[batch].unsqueeze(1), allowed, 1.0, given).backward()
            optimizer.step()
        return float(np.polyfit(np.log(popularity), heights.detach().numpy(), 1)[0])

    assert abs(slope(corrected=False)) < 0.2
    assert slope(corrected=True) == pytest.approx(1.0, abs=0.2)
