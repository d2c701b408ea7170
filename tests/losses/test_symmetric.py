"""The softmax both ways: a naive double loop, the mask both ways, what only one way sees."""

import math

import pytest
import torch
from losses_toy import recall_after_training

from alicorn.losses import softmax_loss, symmetric_softmax_loss


def naive(cosine: list[list[float]], allowed: list[list[bool]], scale: float, log_q: list[float]) -> float:
    batch, columns = len(cosine), len(cosine[0])
    total = 0.0
    for i in range(batch):
        over = [j for j in range(columns) if j == i or allowed[i][j]]
        powers = {j: math.exp(scale * cosine[i][j] - log_q[j]) for j in over}
        total -= math.log(powers[i] / sum(powers.values()))
        backs = {j: math.exp(scale * cosine[j][i]) for j in range(batch) if j == i or allowed[j][i]}
        total -= math.log(backs[i] / sum(backs.values()))
    return total / (2 * batch)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_mean_of_both_softmaxes(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    requests = torch.nn.functional.normalize(torch.randn(5, 3, generator=generator, dtype=torch.float64), dim=1)
    documents = torch.nn.functional.normalize(torch.randn(8, 3, generator=generator, dtype=torch.float64), dim=1)
    allowed = torch.rand(5, 8, generator=generator) < 0.7
    log_q = torch.rand(8, generator=generator, dtype=torch.float64).log()
    got = symmetric_softmax_loss(requests, documents, allowed, 6.0, log_q).item()
    expected = naive((requests @ documents.T).tolist(), allowed.tolist(), 6.0, log_q.tolist())
    assert got == pytest.approx(expected)
    assert got != pytest.approx(softmax_loss(requests, documents, allowed, 6.0, log_q).item())


def test_a_known_positive_is_masked_both_ways() -> None:
    """Request 0 chose document 1 too: neither it for request 0, nor request 0 for it, is a negative."""
    requests = torch.eye(2, dtype=torch.float64).requires_grad_()
    documents = torch.tensor([[0.6, 0.8], [0.8, 0.6]], dtype=torch.float64)
    symmetric_softmax_loss(requests, documents, torch.tensor([[False, False], [True, False]]), 5.0).backward()
    assert requests.grad is not None
    first, second = requests.grad
    assert (second != 0).any()  # document 0 pushes request 1 away, both ways
    direction = torch.tensor([0.6, 0.8], dtype=torch.float64)
    assert torch.allclose(first / first.norm(), -direction)  # request 0 feels its own positive alone


def test_it_brings_each_request_to_its_cluster() -> None:
    assert recall_after_training(lambda q, d, allowed: symmetric_softmax_loss(q, d, allowed, 10.0)) == 1.0
