"""BPR: values by hand, the mask, gradients, effect; the second stage of Que2Search against a naive loop."""

import math

import pytest
import torch
from losses_toy import others, recall_after_training, unit

from alicorn.losses import bpr_loss, triplet_loss
from alicorn.negatives import online_hard


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_value_by_hand() -> None:
    # cos(q0, d0) = 1, cos(q0, d1) = 0.6; cos(q1, d0) = 0, cos(q1, d1) = 0.8
    requests, documents = unit([[1, 0], [0, 1]]), unit([[1, 0], [0.6, 0.8]])
    expected = (softplus(-10 * 0.4) + softplus(-10 * 0.8)) / 2
    assert bpr_loss(requests, documents, others(2), 10.0).item() == pytest.approx(expected)


def test_a_column_of_weight_three_is_three_columns() -> None:
    requests, documents = unit([[1, 0.3], [0.2, 1]]), unit([[1, 0], [0.3, 1], [0.7, 0.7]])
    weights = torch.tensor([1.0, 1.0, 3.0])
    thrice = documents[[0, 1, 2, 2, 2]]
    once = bpr_loss(requests, documents, others(2, 3), 4.0, weights).item()
    assert once == pytest.approx(bpr_loss(requests, thrice, others(2, 5), 4.0).item())


def test_a_masked_column_and_a_request_without_any_have_exactly_no_weight() -> None:
    requests = unit([[1, 0.2], [0.1, 1]])
    documents = unit([[1, 0], [0, 1], [1, 0.1]]).requires_grad_()
    bpr_loss(requests, documents, torch.tensor([[True, True, False], [True, True, False]]), 5.0).backward()
    assert documents.grad is not None
    assert (documents.grad[2] == 0).all()
    assert (documents.grad[:2] != 0).any()
    assert bpr_loss(requests, documents, torch.zeros(2, 3, dtype=torch.bool), 5.0).item() == 0.0


def test_gradient() -> None:
    requests = unit([[1, 0.3, 0], [0.1, 1, 0.5]]).requires_grad_()
    documents = unit([[1, 0, 0.2], [0.7, 1, 0], [1, 0.1, 0.4]]).requires_grad_()
    assert torch.autograd.gradcheck(lambda q, d: bpr_loss(q, d, others(2, 3), 5.0), (requests, documents))


def test_it_brings_each_request_to_its_cluster() -> None:
    assert recall_after_training(lambda q, d, allowed: bpr_loss(q, d, allowed, 10.0), steps=0) == 0.0
    assert recall_after_training(lambda q, d, allowed: bpr_loss(q, d, allowed, 10.0)) == 1.0


@pytest.mark.parametrize("margin", [0.1, 0.2, 1.5])
def test_against_the_hardest_negative_triplet_is_margin_rank_and_bpr_is_bpr_of_the_pair(margin: float) -> None:
    """n_i = argmax_{j != i} cos(q_i, d_j); max(0, -(cos_i - cos_n) + margin), as Que2Search has it; a naive loop."""
    generator = torch.Generator().manual_seed(0)
    requests, documents = (
        torch.nn.functional.normalize(torch.randn(7, 4, generator=generator, dtype=torch.float64), dim=1)
        for _ in range(2)
    )
    cosine = requests @ documents.T
    ranks, likelihoods = [], []
    for i in range(7):
        hardest = max(float(cosine[i, j]) for j in range(7) if j != i)
        ahead = float(cosine[i, i]) - hardest
        ranks.append(max(0.0, -ahead + margin))
        likelihoods.append(softplus(-20 * ahead))
    hard = online_hard(cosine, others(7), 1)
    assert triplet_loss(requests, documents, hard, margin).item() == pytest.approx(sum(ranks) / 7)
    assert bpr_loss(requests, documents, hard, 20.0).item() == pytest.approx(sum(likelihoods) / 7)
