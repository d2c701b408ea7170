"""A two-cluster toy: requests and documents of two directions, with noise. Shared by the tests of losses."""

import torch
from torch import Tensor


def unit(rows: list[list[float]]) -> Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float64), dim=1)


def others(batch: int, columns: int | None = None) -> Tensor:
    """Every column but the request's own."""
    return ~torch.eye(batch, columns or batch, dtype=torch.bool)


def recall_after_training(loss, steps: int = 60) -> float:  # type: ignore[no-untyped-def]
    """Share of 40 requests whose nearest document is of their own cluster, after learning one linear map of requests.

    The map starts by turning every request into the direction of the other cluster.
    """
    generator = torch.Generator().manual_seed(0)
    centres = torch.eye(8)[:2]
    cluster = torch.arange(40) % 2
    requests = centres[cluster] + 0.1 * torch.randn(40, 8, generator=generator)
    documents = torch.nn.functional.normalize(centres[cluster] + 0.1 * torch.randn(40, 8, generator=generator), dim=1)
    turned = torch.eye(8)[[1, 0, 2, 3, 4, 5, 6, 7]].clone().requires_grad_()
    optimizer = torch.optim.Adam([turned], lr=0.05)
    allowed = cluster[:, None] != cluster[None, :]
    for _ in range(steps):
        optimizer.zero_grad()
        loss(torch.nn.functional.normalize(requests @ turned, dim=1), documents, allowed).backward()
        optimizer.step()
    nearest = (torch.nn.functional.normalize(requests @ turned, dim=1) @ documents.T).argmax(dim=1)
    return float((cluster[nearest] == cluster).double().mean())
