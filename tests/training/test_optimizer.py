"""Row-wise Adagrad: by hand, and the compiled loop equals the one for other devices."""

import math

import numpy as np
import torch

from alicorn.towers.table import EmbeddingTable
from alicorn.training.optimizer import RowAdagrad, _update_sparse


def test_two_steps_by_hand() -> None:
    table = EmbeddingTable(3, 2)
    with torch.no_grad():
        table.weight.fill_(1.0)
    optimizer = RowAdagrad([table], rate=0.5)
    indices, starts = torch.tensor([2], dtype=torch.int32), torch.tensor([0], dtype=torch.int32)
    for _ in range(2):
        (table(indices, starts, torch.ones(1)) * torch.tensor([[3.0, 4.0]])).sum().backward()
        optimizer.step()
    mean_square = (9 + 16) / 2
    moved = 0.5 / math.sqrt(mean_square) + 0.5 / math.sqrt(2 * mean_square)
    np.testing.assert_allclose(table.weight[2].tolist(), [1 - 3 * moved, 1 - 4 * moved], rtol=1e-6)
    assert (table.weight[[0, 1, 3]] == 1.0).all()
    assert optimizer.state[0].tolist() == [0.0, 0.0, 25.0, 0.0]


def test_both_forms_are_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    table = EmbeddingTable(50, 4)
    weight, state = table.weight.detach().clone(), torch.zeros(51)
    optimizer = RowAdagrad([table], rate=0.1)
    for _ in range(5):
        indices = torch.randint(1, 51, (40,), generator=generator, dtype=torch.int32)
        starts = torch.arange(0, 40, 4, dtype=torch.int32)
        outer = torch.randn(10, 4, generator=generator)
        table(indices, starts, torch.ones(40)).backward(outer)
        optimizer.step()
        leaf = weight.clone().requires_grad_()
        bags = torch.nn.functional.embedding_bag(indices, leaf, starts, mode="sum", sparse=True)
        bags.backward(outer)
        assert leaf.grad is not None
        _update_sparse(weight, state, leaf.grad.coalesce(), 0.1)
    torch.testing.assert_close(table.weight.detach(), weight)
    torch.testing.assert_close(optimizer.state[0], state)
