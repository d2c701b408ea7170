"""Generated negatives have the inner product of the mixture with the hardest allowed documents; nothing else moves."""

import torch

from alicorn.losses import softmax_loss
from alicorn.negatives import interpolated


def case(batch: int = 5, columns: int = 9) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    requests = torch.nn.functional.normalize(torch.randn(batch, 4, generator=generator, dtype=torch.float64), dim=1)
    documents = torch.nn.functional.normalize(torch.randn(columns, 4, generator=generator, dtype=torch.float64), dim=1)
    allowed = torch.rand(batch, columns, generator=generator) < 0.6
    return requests, documents, allowed, 0.4 + 0.2 * torch.rand(batch, 3, generator=generator, dtype=torch.float64)


def test_each_is_the_inner_product_with_the_mixture_of_the_positive_and_a_hardest_negative() -> None:
    requests, documents, allowed, mixing = case()
    got = interpolated(requests, documents, allowed, mixing)
    for i in range(len(requests)):
        pool = [j for j in range(len(documents)) if allowed[i, j] and j != i]
        hardest = sorted(pool, key=lambda j: -float(requests[i] @ documents[j]))[:3]
        for place, j in enumerate(hardest):
            a = mixing[i, place]
            vector = a * documents[i] + (1 - a) * documents[j]
            torch.testing.assert_close(got[i, place], requests[i] @ vector)
        assert (got[i, len(hardest) :] == -torch.inf).all()


def test_a_request_without_negatives_has_none_and_its_loss_is_zero() -> None:
    requests, documents, allowed, mixing = case()
    allowed[0] = False
    own = interpolated(requests, documents, allowed, mixing)
    assert (own[0] == -torch.inf).all()
    assert softmax_loss(requests[:1], documents, allowed[:1], 5.0, own=own[:1]).item() == 0.0


def test_they_make_the_loss_harder_and_push_the_hardest_negative_away() -> None:
    requests, documents, allowed, mixing = case()
    allowed[:] = True
    documents.requires_grad_()
    own = interpolated(requests, documents, allowed, mixing)
    with_them = softmax_loss(requests, documents, allowed, 5.0, own=own)
    without = softmax_loss(requests, documents, allowed, 5.0)
    assert with_them.item() > without.item()
    (gradient,) = torch.autograd.grad(own[0, 0], documents, retain_graph=True)
    hardest = (requests[0] @ documents.T).detach()
    hardest[0] = -2.0
    moved = {int(row) for row in gradient.abs().sum(dim=1).nonzero().flatten()}
    assert moved == {0, int(hardest.argmax())}
