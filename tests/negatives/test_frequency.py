"""logQ: the frequency is that of the batches that are drawn, and the correction keeps popular documents in place."""

import numpy as np
import pytest
import torch

from alicorn.losses import softmax_loss
from alicorn.negatives import (
    KnownPositives,
    RandomDocuments,
    StreamingPopularity,
    batch_columns,
    in_batch,
    log_frequency,
)


def test_it_is_the_share_of_the_columns_of_drawn_batches() -> None:
    rng = np.random.default_rng(0)
    positives = np.minimum((rng.random(2000) ** 3 * 20).astype(np.int64), 19)  # few documents have most clicks
    known = KnownPositives.of(np.arange(2000), positives)
    seen = np.zeros(25)
    for _ in range(400):
        pairs = rng.permutation(2000)[:64]
        columns = batch_columns(pairs, positives[pairs], True, [RandomDocuments(25, 32)], known, rng)
        seen += np.bincount(columns.documents, minlength=25)
    expected = np.exp(log_frequency(positives, 25, popular=64, random=32))
    np.testing.assert_allclose(seen / seen.sum(), expected, rtol=0.1)
    assert expected.sum() == np.float32(1.0) or abs(expected.sum() - 1) < 1e-6


def test_without_random_columns_a_document_that_is_no_positive_is_never_drawn() -> None:
    found = log_frequency(np.array([0, 0, 1]), 3, popular=2, random=0)
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
    log_q = torch.from_numpy(log_frequency(positives, 40, popular=200, random=0)).double()

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


def stream(chances: np.ndarray, steps: int, estimate: StreamingPopularity, rng: np.random.Generator) -> None:
    for _ in range(steps):
        estimate.see(np.flatnonzero(rng.random(len(chances)) < chances))


@pytest.mark.parametrize("hashes", [1, 2])
def test_the_streamed_estimate_finds_the_chances_of_a_known_stream_and_follows_a_change(hashes: int) -> None:
    """Yi et al.'s simulation: chances rise with the square of the number, then the order is reversed."""
    rng = np.random.default_rng(0)
    chances = np.linspace(0.1, 1.0, 50) ** 2
    estimate = StreamingPopularity(rate=0.02, slots=1000, hashes=hashes, gap=20.0, seed=0)
    for now in (chances, chances[::-1]):
        stream(now, 2500, estimate, rng)
        found = estimate.chance(np.arange(50))
        assert np.median(np.abs(np.log(found / now))) < 0.12
        assert np.corrcoef(np.log(found), np.log(now))[0, 1] > 0.93  # what has become rare is slow to be so


def test_a_document_seen_twice_in_a_batch_counts_once_and_one_never_seen_is_rare() -> None:
    estimate = StreamingPopularity(rate=0.5, slots=1000, hashes=2, gap=64.0, seed=0)
    for _ in range(30):
        estimate.see(np.array([3, 3, 7]))
    assert estimate.chance(np.array([3, 7, 9])) == pytest.approx([1.0, 1.0, 1 / 64], rel=1e-3)


def test_several_arrays_repair_what_shares_a_slot() -> None:
    """With as many documents as slots many share one: a rare one looks frequent, in one array more than in four."""
    chances = np.where(np.arange(400) % 4 == 0, 0.5, 0.02)
    errors = {}
    for hashes in (1, 4):
        estimate = StreamingPopularity(rate=0.02, slots=400, hashes=hashes, gap=30.0, seed=1)
        stream(chances, 1500, estimate, np.random.default_rng(1))
        errors[hashes] = np.abs(np.log(estimate.chance(np.arange(400)) / chances))[chances < 0.1].mean()
    assert errors[4] < 0.6 * errors[1]


def test_a_restored_estimate_goes_on_alike() -> None:
    rng = np.random.default_rng(0)
    first = StreamingPopularity(rate=0.1, slots=50, hashes=2, gap=5.0, seed=0)
    stream(np.full(20, 0.3), 40, first, rng)
    second = StreamingPopularity(rate=0.1, slots=50, hashes=2, gap=5.0, seed=0)
    second.load_state(first.state())
    for estimate in (first, second):
        stream(np.full(20, 0.3), 10, estimate, np.random.default_rng(1))
    np.testing.assert_array_equal(first.chance(np.arange(20)), second.chance(np.arange(20)))


def test_weights_count_as_repetitions_of_a_pair() -> None:
    positives = np.array([0, 1, 2, 2])
    weighted = log_frequency(positives, 5, popular=4, random=2, weights=np.array([3.0, 1.0, 1.0, 0.0]))
    repeated = log_frequency(np.array([0, 0, 0, 1, 2]), 5, popular=4, random=2)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-6)
