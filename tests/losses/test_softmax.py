"""Scaled softmax: values by hand, the mask, logQ, gradients, effect."""

import math

import pytest
import torch
from losses_toy import others, recall_after_training, unit

from alicorn.losses import softmax_loss


def test_value_by_hand() -> None:
    requests, documents = unit([[1, 0], [0, 1]]), unit([[1, 0], [0.6, 0.8]])
    first = -math.log(math.exp(10) / (math.exp(10) + math.exp(6)))
    second = -math.log(math.exp(8) / (math.exp(8) + math.exp(0)))
    assert softmax_loss(requests, documents, others(2), 10.0).item() == pytest.approx((first + second) / 2)


def test_an_accidental_hit_has_exactly_no_weight() -> None:
    requests = unit([[1, 0.2], [0.1, 1]])
    documents = unit([[1, 0], [0, 1], [1, 0.1]]).requires_grad_()
    masked = torch.tensor([[True, True, False], [True, True, False]])
    loss = softmax_loss(requests, documents, masked, 20.0)
    loss.backward()
    assert documents.grad is not None
    assert (documents.grad[2] == 0).all()
    assert loss.item() == softmax_loss(requests, documents[:2].detach(), others(2), 20.0).item()
    assert softmax_loss(requests, documents.detach(), others(2, 3), 20.0).item() > loss.item()


def test_without_negatives_the_loss_is_zero_whatever_the_mask_says_of_the_positive() -> None:
    requests, documents = unit([[1, 0.2]]), unit([[0, 1]])
    assert softmax_loss(requests, documents, torch.tensor([[False]]), 20.0).item() == 0.0
    assert softmax_loss(requests, documents, torch.tensor([[True]]), 20.0).item() == 0.0


def test_log_q_makes_a_popular_document_a_lesser_negative() -> None:
    requests, documents = unit([[1, 0]]), unit([[1, 0], [0.5, 0.5], [0.5, -0.5]])
    log_q = torch.log(torch.tensor([0.1, 0.8, 0.1], dtype=torch.float64))
    cosine = math.sqrt(0.5)
    terms = [math.exp(2 - math.log(0.1)), math.exp(2 * cosine - math.log(0.8)), math.exp(2 * cosine - math.log(0.1))]
    got = softmax_loss(requests, documents, others(1, 3), 2.0, log_q).item()
    assert got == pytest.approx(-math.log(terms[0] / sum(terms)))


def test_gradient() -> None:
    requests = unit([[1, 0.3, 0], [0.1, 1, 0.5]]).requires_grad_()
    documents = unit([[1, 0, 0.2], [0.7, 1, 0], [1, 0.1, 0.4]]).requires_grad_()
    allowed = torch.tensor([[False, True, True], [True, False, False]])
    assert torch.autograd.gradcheck(lambda q, d: softmax_loss(q, d, allowed, 5.0), (requests, documents))


def test_it_brings_each_request_to_its_cluster() -> None:
    assert recall_after_training(lambda q, d, allowed: softmax_loss(q, d, allowed, 10.0), steps=0) == 0.0
    assert recall_after_training(lambda q, d, allowed: softmax_loss(q, d, allowed, 10.0)) == 1.0


def test_further_negatives_of_a_request_stand_in_its_denominator_alone() -> None:
    requests, documents = unit([[1, 0], [0, 1]]), unit([[1, 0], [0.6, 0.8]])
    own = torch.tensor([[0.5, -torch.inf], [0.2, 0.7]], dtype=torch.float64)
    first = -math.log(math.exp(10) / (math.exp(10) + math.exp(6) + math.exp(5)))
    second = -math.log(math.exp(8) / (math.exp(8) + math.exp(0) + math.exp(2) + math.exp(7)))
    assert softmax_loss(requests, documents, others(2), 10.0, own=own).item() == pytest.approx((first + second) / 2)
    nothing = torch.full((2, 3), -torch.inf, dtype=torch.float64)
    plain = softmax_loss(requests, documents, others(2), 10.0).item()
    assert softmax_loss(requests, documents, others(2), 10.0, own=nothing).item() == pytest.approx(plain)
