"""Margin-MSE: against a naive loop, what is unknown has no weight, gradients, and students that learn a teacher."""

import math

import pytest
import torch
from losses_toy import unit

from alicorn.losses import margin_mse_loss

NAN = math.nan


def random_unit(rows: int, dim: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=1)


def test_value_by_hand() -> None:
    # cos(q0, d0) = 1, cos(q0, d1) = 0.6; cos(q1, d0) = 0, cos(q1, d1) = 0.8
    requests, documents = unit([[1, 0], [0, 1]]), unit([[1, 0], [0.6, 0.8]])
    margins = torch.tensor([[NAN, 3.0], [10.0, NAN]], dtype=torch.float64)
    expected = ((10 * 0.4 - 3.0) ** 2 + (10 * 0.8 - 10.0) ** 2) / 2
    assert margin_mse_loss(requests, documents, margins, 10.0).item() == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_mean_over_the_scored_triples(seed: int) -> None:
    """A list of (query, positive, negative, margin), one after another, is the slow oracle."""
    requests, documents = random_unit(6, 5, seed), random_unit(11, 5, seed + 100)
    generator = torch.Generator().manual_seed(seed)
    margins = torch.randn(6, 11, generator=generator, dtype=torch.float64)
    margins[torch.rand(6, 11, generator=generator) < 0.6] = NAN
    errors = []
    for i in range(6):
        for j in range(11):
            if not math.isnan(margins[i, j]):
                student = float(requests[i] @ documents[i] - requests[i] @ documents[j])
                errors.append((7.0 * student - float(margins[i, j])) ** 2)
    found = margin_mse_loss(requests, documents, margins, 7.0).item()
    assert found == pytest.approx(sum(errors) / len(errors), rel=1e-9)


def test_what_is_unknown_has_exactly_no_gradient() -> None:
    requests, documents = random_unit(2, 4, 0), random_unit(4, 4, 1).requires_grad_()
    margins = torch.full((2, 4), NAN, dtype=torch.float64)
    assert margin_mse_loss(requests, documents, margins, 5.0).item() == 0.0
    margins[0, 2] = 1.0
    margin_mse_loss(requests, documents, margins, 5.0).backward()
    assert documents.grad is not None
    assert torch.isfinite(documents.grad).all()
    assert (documents.grad[[1, 3]] == 0).all()
    assert (documents.grad[[0, 2]] != 0).any(dim=1).all()


def test_gradient() -> None:
    requests, documents = random_unit(2, 3, 2).requires_grad_(), random_unit(3, 3, 3).requires_grad_()
    margins = torch.tensor([[NAN, 0.4, -1.0], [2.0, NAN, NAN]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda q, d: margin_mse_loss(q, d, margins, 5.0), (requests, documents))


def test_students_take_over_the_margins_of_a_teacher() -> None:
    """Free vectors learn what other vectors have, of which they see the margins alone."""
    teacher = 3.0 * random_unit(4, 6, 4) @ random_unit(12, 6, 5).T
    margins = teacher.diagonal()[:, None] - teacher
    margins.fill_diagonal_(NAN)
    given = [random_unit(4, 8, 6).requires_grad_(), random_unit(12, 8, 7).requires_grad_()]
    optimizer = torch.optim.Adam(given, lr=0.05)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = margin_mse_loss(*(torch.nn.functional.normalize(part, dim=1) for part in given), margins, 3.0)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.01 * losses[0]
