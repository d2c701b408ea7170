"""Row-wise Adagrad: by hand, and the compiled loop equals the one for other devices. Clipping is of all weights."""

import math

import numpy as np
import pytest
import torch
from training_toy import VERTICAL, recipe

from alicorn.towers import Model
from alicorn.towers.tables.table import EmbeddingTable
from alicorn.training.recipe.recipe import Optimizer
from alicorn.training.run.optimizer import Optimizers, RowAdagrad, _update_sparse


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


@pytest.mark.parametrize("kind", ["adam", "adagrad"])
def test_a_clipped_gradient_is_that_of_the_whole_brought_to_the_norm(kind: str) -> None:
    """The first steps do not show how long a gradient was; what the optimizers keep of it does."""
    settings = Optimizer.model_validate({"kind": kind, "clip": 3.0})
    module = Model.new(VERTICAL, recipe().plain(), "", {}, 0).module
    optimizers = Optimizers(module, settings)
    generator = torch.Generator().manual_seed(0)
    dense = {name: value for name, value in module.named_parameters() if not name.startswith("tables.")}
    for value in dense.values():
        value.grad = torch.randn(value.shape, generator=generator)
    table = module.tables[0]
    table(torch.arange(1, 6, dtype=torch.int32), torch.zeros(1, dtype=torch.int32), torch.ones(5)).backward(
        torch.ones(1, table.weight.shape[1])
    )
    squares = sum(float(value.grad.square().sum()) for value in dense.values()) + 5 * table.weight.shape[1]
    factor = 3.0 / squares**0.5
    assert factor < 0.2
    gradients = {name: value.grad.clone() for name, value in dense.items()}
    optimizers.step()
    name = "sum" if kind == "adagrad" else "exp_avg_sq"
    share = 1.0 if kind == "adagrad" else 0.001
    state = optimizers.state()["dense"]["state"]
    for number, gradient in enumerate(gradients.values()):
        torch.testing.assert_close(state[number][name], share * (factor * gradient).square(), rtol=1e-4, atol=1e-9)
    rows = optimizers.state()["adagrad"][0][1:6]
    torch.testing.assert_close(rows, torch.full((5,), factor**2))


def test_a_short_gradient_is_left_as_it_is() -> None:
    for settings in (Optimizer(), Optimizer(clip=1e6)):
        module = Model.new(VERTICAL, recipe().plain(), "", {}, 0).module
        optimizers = Optimizers(module, settings)
        for _, value in module.named_parameters():
            if value.requires_grad:
                value.grad = torch.ones_like(value)
        optimizers.step()
        state = optimizers.state()["dense"]["state"]
        assert all(
            torch.allclose(one["exp_avg_sq"], torch.full_like(one["exp_avg_sq"], 0.001)) for one in state.values()
        )
