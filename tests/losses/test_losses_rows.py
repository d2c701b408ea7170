"""The compiled losses of float32 are the plain ones of float64: value and both gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from alicorn.losses import bpr_loss, softmax_loss, symmetric_softmax_loss, triplet_loss
from alicorn.losses.rows import _exp


def gradients(loss, requests: Tensor, documents: Tensor, dtype: torch.dtype) -> list[Tensor]:  # type: ignore[no-untyped-def]
    leaves = [requests.to(dtype).clone().requires_grad_(), documents.to(dtype).clone().requires_grad_()]
    value = loss(*leaves)
    (3.0 * value).backward()
    return [value.detach().double(), *(leaf.grad.double() for leaf in leaves)]  # type: ignore[union-attr]


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(0, 40), st.sampled_from([1.0, 20.0, 100.0]), st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_softmax(seed: int, batch: int, more: int, scale: float, corrected: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    requests = torch.nn.functional.normalize(torch.randn(batch, 5, generator=generator), dim=1)
    documents = torch.nn.functional.normalize(torch.randn(batch + more, 5, generator=generator), dim=1)
    allowed = torch.rand(batch, batch + more, generator=generator) < 0.7
    log_q = torch.rand(batch + more, generator=generator).log() if corrected else None
    got, want = (
        gradients(lambda q, d: softmax_loss(q, d, allowed, scale, log_q), requests, documents, dtype)
        for dtype in (torch.float32, torch.float64)
    )
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-5 * scale)


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(0, 40), st.sampled_from([0.1, 0.5, 2.5]), st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_triplet(seed: int, batch: int, more: int, margin: float, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    requests = torch.nn.functional.normalize(torch.randn(batch, 5, generator=generator), dim=1)
    documents = torch.nn.functional.normalize(torch.randn(batch + more, 5, generator=generator), dim=1)
    allowed = torch.rand(batch, batch + more, generator=generator) < 0.7
    weights = torch.rand(batch + more, generator=generator) if weighted else None
    got, want = (
        gradients(lambda q, d: triplet_loss(q, d, allowed, margin, weights), requests, documents, dtype)
        for dtype in (torch.float32, torch.float64)
    )
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(0, 40), st.sampled_from([1.0, 20.0, 100.0]), st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_bpr(seed: int, batch: int, more: int, scale: float, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    requests = torch.nn.functional.normalize(torch.randn(batch, 5, generator=generator), dim=1)
    documents = torch.nn.functional.normalize(torch.randn(batch + more, 5, generator=generator), dim=1)
    allowed = torch.rand(batch, batch + more, generator=generator) < 0.7
    weights = torch.rand(batch + more, generator=generator) if weighted else None
    got, want = (
        gradients(lambda q, d: bpr_loss(q, d, allowed, scale, weights), requests, documents, dtype)
        for dtype in (torch.float32, torch.float64)
    )
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-5 * scale)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_symmetric(seed: int, batch: int, more: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    requests = torch.nn.functional.normalize(torch.randn(batch, 5, generator=generator), dim=1)
    documents = torch.nn.functional.normalize(torch.randn(batch + more, 5, generator=generator), dim=1)
    allowed = torch.rand(batch, batch + more, generator=generator) < 0.7
    log_q = torch.rand(batch + more, generator=generator).log()
    got, want = (
        gradients(lambda q, d: symmetric_softmax_loss(q, d, allowed, 10.0, log_q), requests, documents, dtype)
        for dtype in (torch.float32, torch.float64)
    )
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-4)


def test_exp_is_exact_to_a_few_units_in_the_last_place() -> None:
    x = -np.logspace(-6, np.log10(86.9), 10_000).astype(np.float32)
    got = np.array([_exp(value) for value in x])
    np.testing.assert_allclose(got, np.exp(x.astype(np.float64)), rtol=4e-7)
    assert _exp(np.float32(0.0)) == 1.0
    assert _exp(np.float32(-np.inf)) == 0.0
    assert _exp(np.float32(-1e9)) == 0.0


@pytest.mark.parametrize(
    "loss",
    [
        lambda q, d, a: softmax_loss(q, d, a, 20.0),
        lambda q, d, a: triplet_loss(q, d, a, 2.0),
        lambda q, d, a: bpr_loss(q, d, a, 5.0),
        lambda q, d, a: symmetric_softmax_loss(q, d, a, 20.0),
    ],
)
def test_a_masked_column_has_exactly_no_gradient(loss) -> None:  # type: ignore[no-untyped-def]
    requests = torch.nn.functional.normalize(torch.tensor([[1.0, 0.2], [0.1, 1.0]]), dim=1)
    documents = torch.nn.functional.normalize(
        torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]]), dim=1
    ).requires_grad_()
    loss(requests, documents, torch.tensor([[True, True, False], [True, True, False]])).backward()
    assert documents.grad is not None
    assert (documents.grad[2] == 0).all()
    assert (documents.grad[:2] != 0).any()


LOSSES = {
    "softmax": lambda q, d, allowed: softmax_loss(q, d, allowed, 20.0),
    "softmax with log_q": lambda q, d, allowed: softmax_loss(q, d, allowed, 20.0, torch.zeros(len(d))),
    "symmetric": lambda q, d, allowed: symmetric_softmax_loss(q, d, allowed, 20.0),
    "triplet": lambda q, d, allowed: triplet_loss(q, d, allowed, 0.5),
    "bpr": lambda q, d, allowed: bpr_loss(q, d, allowed, 20.0),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["request", "positive", "negative"])
def test_the_loss_of_what_is_no_number_is_none_either(name: str, value: float, where: str) -> None:
    """A comparison with NaN is false, so that a kernel alone would leave it out, or divide by nothing."""
    requests = torch.nn.functional.normalize(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    documents = torch.cat([requests, -requests])
    (requests if where == "request" else documents)[{"request": 1, "positive": 1, "negative": 4}[where], 2] = value
    allowed = torch.ones(3, 6, dtype=torch.bool)
    assert torch.isnan(LOSSES[name](requests, documents, allowed))
    requests.requires_grad_()
    LOSSES[name](requests, documents, allowed).backward()  # and no kernel stops at it


@pytest.mark.parametrize("name", LOSSES)
def test_embeddings_that_are_all_equal_have_a_finite_loss_and_no_gradient_along_their_difference(name: str) -> None:
    requests = torch.tensor([[1.0, 0.0]]).repeat(4, 1).requires_grad_()
    documents = torch.tensor([[1.0, 0.0]]).repeat(4, 1)
    loss = LOSSES[name](requests, documents, torch.ones(4, 4, dtype=torch.bool))
    loss.backward()
    assert torch.isfinite(loss)
    assert requests.grad is not None
    torch.testing.assert_close(requests.grad, torch.zeros(4, 2), atol=1e-6, rtol=0)
