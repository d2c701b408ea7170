"""Attention over padded lists: equal to a loop over rows, blind to what is behind an end, and free to read nothing."""

import torch

from alicorn.towers.channels.attention import SelfAttention, TransformerLayer, present_of, read

LENGTHS = torch.tensor([3, 0, 5, 1])


def padded(dim: int = 8) -> torch.Tensor:
    elements = torch.randn(4, 5, dim, generator=torch.Generator().manual_seed(0))
    return elements * present_of(LENGTHS, 5)[:, :, None]


def read_one(queries: torch.Tensor, elements: torch.Tensor) -> torch.Tensor:
    """softmax(Q X^T) X of one row by the definition."""
    weights = torch.exp(queries @ elements.T)
    return (weights / weights.sum(dim=1, keepdim=True)) @ elements


def test_read_is_the_formula_row_by_row() -> None:
    queries, elements = torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(1)), padded()
    for zero_vector in (False, True):
        found, weights = read(queries, elements, present_of(LENGTHS, 5), zero_vector)
        assert found.shape == (4, 6, 8)
        assert weights.shape == (4, 6, 5 + zero_vector)
        for row, length in enumerate(LENGTHS.tolist()):
            own = elements[row, :length]
            if zero_vector:
                own = torch.cat([torch.zeros(1, 8), own])
            expected = read_one(queries[row], own) if len(own) else torch.zeros(6, 8)
            torch.testing.assert_close(found[row], expected)


def test_a_query_against_all_elements_reads_the_zero_vector() -> None:
    elements = torch.ones(1, 3, 8)
    queries = torch.stack([torch.full((8,), 2.0), torch.full((8,), -2.0)])[None]
    present = torch.ones(1, 3, dtype=torch.bool)
    found, weights = read(queries, elements, present, zero_vector=True)
    assert weights[0, 0, 0] < 1e-6  # what fits is read
    assert weights[0, 1, 0] > 0.999  # what does not fit is left out
    assert found[0, 1].abs().max() < 1e-5
    assert read(queries, elements, present)[0][0, 1].min() > 0.99  # without it there is no choice


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    for module in (SelfAttention(8, 2), TransformerLayer(8, 2)):
        elements, present = padded(), present_of(LENGTHS, 5)
        together = module(elements, present)
        noisy = module(torch.where(present[:, :, None], elements, 9.0), present)
        for row, length in enumerate(LENGTHS.tolist()):
            if length:
                alone = module(elements[row : row + 1, :length], torch.ones(1, length, dtype=torch.bool))
                torch.testing.assert_close(together[row, :length], alone[0])
            torch.testing.assert_close(together[row, :length], noisy[row, :length])
        assert torch.isfinite(together).all()


def test_self_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    own, theirs = SelfAttention(8, 2), torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(own.inputs.weight)
        theirs.in_proj_bias.copy_(own.inputs.bias)
        theirs.out_proj.weight.copy_(own.output.weight)
        theirs.out_proj.bias.copy_(own.output.bias)
    elements, present = padded()[[0, 2, 3]], present_of(LENGTHS[[0, 2, 3]], 5)
    expected = theirs(elements, elements, elements, key_padding_mask=~present)[0] * present[:, :, None]
    torch.testing.assert_close(own(elements, present), expected)
