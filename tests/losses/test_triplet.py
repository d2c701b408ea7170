"""Hinge on cosine distance: values by hand, the mask, gradients, effect."""

import math

import pytest
import torch
from losses_toy import others, recall_after_training, unit

from alicorn.losses import triplet_loss


def test_value_by_hand() -> None:
    # cos(q0, d0) = 1, cos(q0, d1) = 0.6; cos(q1, d0) = 0, cos(q1, d1) = 0.8
    requests, documents = unit([[1, 0], [0, 1]]), unit([[1, 0], [0.6, 0.8]])
    # margin 0.5: row 0: 0.6 - 1 + 0.5 = 0.1; row 1: 0 - 0.8 + 0.5 < 0
    assert triplet_loss(requests, documents, others(2), 0.5).item() == pytest.approx(0.1 / 2)


def test_negatives_are_summed_and_requests_averaged() -> None:
    requests = unit([[1, 0]])
    documents = unit([[1, 0], [1, 0], [1, 0]])
    assert triplet_loss(requests, documents, others(1, 3), 0.25).item() == pytest.approx(0.5)


def test_a_column_of_weight_three_is_three_columns() -> None:
    requests, documents = unit([[1, 0.3], [0.2, 1]]), unit([[1, 0], [0.3, 1], [0.7, 0.7]])
    thrice = documents[[0, 1, 2, 2, 2]]
    weights = torch.tensor([1.0, 1.0, 3.0])
    once = triplet_loss(requests, documents, others(2, 3), 0.9, weights).item()
    assert once == pytest.approx(triplet_loss(requests, thrice, others(2, 5), 0.9).item())
    assert once > triplet_loss(requests, documents, others(2, 3), 0.9).item() > 0


def test_a_masked_column_and_the_positive_have_exactly_no_weight() -> None:
    requests = unit([[1, 0.2], [0.1, 1]])
    documents = unit([[1, 0], [0, 1], [1, 0.1]]).requires_grad_()
    allowed = torch.tensor([[True, True, False], [True, True, False]])
    triplet_loss(requests, documents, allowed, 2.0).backward()
    assert documents.grad is not None
    assert (documents.grad[2] == 0).all()
    assert (documents.grad[:2] != 0).any()
    assert triplet_loss(requests, documents, torch.zeros_like(allowed), 2.0).item() == 0.0


def test_gradient() -> None:
    requests = unit([[1, 0.3, 0], [0.1, 1, 0.5]]).requires_grad_()
    documents = unit([[1, 0, 0.2], [0.7, 1, 0], [1, 0.1, 0.4]]).requires_grad_()
    assert torch.autograd.gradcheck(lambda q, d: triplet_loss(q, d, others(2, 3), 0.9), (requests, documents))


def test_a_negative_beyond_the_margin_is_ignored() -> None:
    angle = math.acos(0.5)
    requests, documents = unit([[1, 0]]), unit([[1, 0], [math.cos(angle), math.sin(angle)]])
    assert triplet_loss(requests, documents, others(1, 2), 0.49).item() == 0.0
    assert triplet_loss(requests, documents, others(1, 2), 0.51).item() == pytest.approx(0.01)


def test_it_brings_each_request_to_its_cluster() -> None:
    assert recall_after_training(lambda q, d, allowed: triplet_loss(q, d, allowed, 0.3), steps=0) == 0.0
    assert recall_after_training(lambda q, d, allowed: triplet_loss(q, d, allowed, 0.3)) == 1.0
