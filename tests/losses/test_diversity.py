"""The regularisers of interests: their identity, their bounds, and what a step along their gradient does."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from alicorn.losses import centre_distance, max_entropy, pair_difference

ALL = [max_entropy, centre_distance, pair_difference]


def unit(rows: int = 5, count: int = 4, dim: int = 6, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(rows, count, dim, generator=torch.Generator().manual_seed(seed)), dim=2)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_pairs_are_so_many_times_the_distance_to_the_centre(count: int) -> None:
    """sum_{k<l} |v_k - v_l|^2 = K sum_k |v_k - c|^2."""
    interests = unit(count=count)
    torch.testing.assert_close(pair_difference(interests), count * centre_distance(interests))


def test_entropy_is_that_of_the_directions() -> None:
    """Of Renyi, order 2: -ln of the sum of the squared eigenvalues of mean v v^T."""
    (interests,) = unit(rows=1).double()
    eigenvalues = torch.linalg.eigvalsh(interests.T @ interests / len(interests))
    assert float(-max_entropy(interests[None])) == pytest.approx(-math.log(float(eigenvalues.square().sum())))


def test_bounds() -> None:
    alike = normalize(torch.ones(1, 3, 4), dim=2)
    orthogonal = torch.eye(3, 4)[None]
    opposite = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]])
    for regulariser in ALL:
        assert float(regulariser(alike)) == pytest.approx(0.0, abs=1e-6)
    assert float(max_entropy(orthogonal)) == pytest.approx(-math.log(3))
    assert float(max_entropy(opposite)) == pytest.approx(0.0)  # one direction: opposite is not different
    assert float(pair_difference(opposite)) == pytest.approx(-4.0)  # K^2
    assert float(centre_distance(opposite)) == pytest.approx(-2.0)  # K


@pytest.mark.parametrize("regulariser", ALL)
def test_learning_by_it_alone_moves_interests_apart(regulariser) -> None:  # type: ignore[no-untyped-def]
    free = (
        torch.ones(8, 4, 6) + 0.1 * torch.randn(8, 4, 6, generator=torch.Generator().manual_seed(1))
    ).requires_grad_()
    optimizer = torch.optim.Adam([free], 0.05)
    before = mean_cosine(normalize(free.detach(), dim=2))
    for _ in range(100):
        optimizer.zero_grad()
        regulariser(normalize(free, dim=2)).backward()
        optimizer.step()
    after = mean_cosine(normalize(free.detach(), dim=2))
    assert before > 0.9
    assert after < 0.05


def mean_cosine(interests: torch.Tensor) -> float:
    count = interests.shape[1]
    cosines = interests @ interests.transpose(1, 2)
    return float((cosines.sum(dim=(1, 2)) - count).mean() / (count * (count - 1)))
