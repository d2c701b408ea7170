"""The compiled gradient of a table is torch's, summed over all lookups since the last clear."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.towers.tables.table import EmbeddingTable


def bags(rng: np.random.Generator, num_bags: int, buckets: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    sizes = rng.integers(0, 5, num_bags)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32) if num_bags else np.empty(0, np.int32)
    indices = rng.integers(1, buckets + 1, sizes.sum()).astype(np.int32)
    weights = rng.random(sizes.sum(), dtype=np.float32)
    return torch.from_numpy(indices), torch.from_numpy(starts), torch.from_numpy(weights)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 12), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_value_and_gradient_are_those_of_torch(seed: int, buckets: int, num_bags: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    table = EmbeddingTable(buckets, dim)
    dense = table.weight.detach().clone().requires_grad_()
    total, wanted = torch.zeros(()), torch.zeros(())
    for _ in range(3):  # queries, positives, negatives
        indices, starts, weights = bags(rng, num_bags, buckets)
        scale = torch.from_numpy(rng.random((num_bags, dim), dtype=np.float32))
        total = total + (table(indices, starts, weights) * scale).sum()
        plain = torch.nn.functional.embedding_bag(indices, dense, starts, mode="sum", per_sample_weights=weights)
        wanted = wanted + (plain * scale).sum()
    torch.testing.assert_close(total, wanted)
    total.backward()
    wanted.backward()
    assert dense.grad is not None
    got = np.zeros((buckets + 1, dim), dtype=np.float32)
    assert len(np.unique(table.row_gradient.rows)) == len(table.row_gradient.rows)
    got[table.row_gradient.rows] = table.row_gradient.values
    np.testing.assert_allclose(got, dense.grad.numpy(), rtol=1e-5, atol=1e-6)
    assert table.weight.grad is None
    table.row_gradient.clear()
    assert len(table.row_gradient.rows) == 0


def test_the_lists_grow_and_forget() -> None:
    table = EmbeddingTable(1000, 2)
    for count in (10, 900, 50):
        indices = torch.arange(1, count + 1, dtype=torch.int32)
        starts = torch.arange(count, dtype=torch.int32)
        table(indices, starts, torch.ones(count)).sum().backward()
    assert sorted(table.row_gradient.rows) == list(range(1, 901))
    np.testing.assert_array_equal(table.row_gradient.values[:10], np.full((10, 2), 3.0))
    np.testing.assert_array_equal(table.row_gradient.values[100:], np.full((800, 2), 1.0))


def test_row_zero_stands_for_nothing() -> None:
    assert (EmbeddingTable(4, 3).weight[0] == 0).all()


def test_without_gradients_nothing_is_remembered() -> None:
    table = EmbeddingTable(4, 3)
    with torch.inference_mode():
        table(torch.tensor([1], dtype=torch.int32), torch.tensor([0], dtype=torch.int32), torch.ones(1))
    assert len(table.row_gradient.rows) == 0
