"""Adam or Adagrad over dense weights, and row-wise Adagrad over embedding tables.

The tuned layers of a pretrained text encoder have an Adam rate of their own, as they do not start from nothing.

A table's update reads and writes only the rows of the batch. Row-wise Adagrad keeps one number per row,

    a += mean over dim of g^2,    row -= rate * g / (sqrt(a) + eps)

so its state is 1/dim of the table, and a rare n-gram moves as far as a frequent one. On the processor a compiled loop
updates the rows; elsewhere torch does the same on its sparse gradient.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numba import types
from torch import Tensor, nn

from alicorn.compiled import kernel
from alicorn.towers import TwoTower
from alicorn.towers.tables.table import EmbeddingTable
from alicorn.training.ranks import ALONE, Ranks
from alicorn.training.recipe.recipe import Optimizer

_EPS = 1e-10


class Optimizers:
    """Both, for one module and the head of an auxiliary task, if there is one."""

    def __init__(
        self, module: TwoTower, settings: Optimizer, head: nn.Module | None = None, ranks: Ranks = ALONE
    ) -> None:
        self._ranks = ranks
        self._tables = module.embedding_tables()
        rows = {id(table.weight) for table in self._tables}
        dense = {name: value for name, value in module.named_parameters() if id(value) not in rows}
        own = [dense[name] for name in dense if not name.startswith("tuned.")]
        self._encoding = list(dense.values())  # the head has the whole batch in every process
        groups: list[dict[str, Any]] = [{"params": own + (list(head.parameters()) if head else [])}]
        if module.tuned is not None:
            groups.append({"params": list(module.tuned.parameters()), "lr": settings.encoder_rate})
        self._dense: torch.optim.Optimizer = (
            torch.optim.Adam(groups, lr=settings.rate, fused=True)
            if settings.kind == "adam"
            else torch.optim.Adagrad(groups, lr=settings.rate)
        )
        self._adagrad = RowAdagrad(self._tables, settings.table_rate)
        self._clip = settings.clip

    def step(self) -> None:
        """Update all weights by the gradients of one backward pass, and forget the gradients."""
        if self._ranks.size > 1:
            self._add_up()
        if self._clip is not None:
            self._clip_gradients(self._clip)
        self._adagrad.step()
        self._dense.step()
        self._dense.zero_grad()

    @torch.no_grad()
    def _add_up(self) -> None:
        """The gradients of all processes' rows, in place."""
        for value in self._encoding:
            if value.grad is None:
                value.grad = torch.zeros_like(value)
        self._ranks.add(value.grad for value in self._encoding if value.grad is not None)
        for table in self._tables:
            if table.weight.device.type == "cpu":
                table.row_gradient.replace(*self._ranks.rows_of_all(table.row_gradient.rows, table.row_gradient.values))
            else:
                self._add_up_sparse(table.weight)

    def _add_up_sparse(self, weight: nn.Parameter) -> None:
        nothing = torch.sparse_coo_tensor(torch.empty((1, 0), dtype=torch.int64), torch.empty((0, weight.shape[1])))
        own = (nothing if weight.grad is None else weight.grad.cpu()).coalesce()
        rows, values = self._ranks.rows_of_all(own.indices()[0].numpy(), own.values().numpy())
        found = torch.sparse_coo_tensor(torch.from_numpy(rows)[None], torch.from_numpy(values), weight.shape)
        weight.grad = found.to(weight.device).coalesce()

    @torch.no_grad()
    def _clip_gradients(self, largest: float) -> None:
        """Scale the gradient of all weights together to an L2 norm of at most `largest`."""
        parts = [
            value.grad for group in self._dense.param_groups for value in group["params"] if value.grad is not None
        ]
        parts += [part for table in self._tables if (part := _table_gradient(table)) is not None]
        norm = float(torch.sqrt(sum((part.square().sum() for part in parts), start=torch.zeros(()))))
        if norm > largest:
            for part in parts:
                part.mul_(largest / norm)

    def state(self) -> dict[str, Any]:
        return {"dense": self._dense.state_dict(), "adagrad": self._adagrad.state}

    def load_state(self, state: dict[str, Any]) -> None:
        self._dense.load_state_dict(state["dense"])
        for own, stored in zip(self._adagrad.state, state["adagrad"], strict=True):
            own.copy_(stored)


def _table_gradient(table: EmbeddingTable) -> Tensor | None:
    """The values of the rows touched, which may be written to."""
    if table.weight.device.type == "cpu":
        return torch.from_numpy(table.row_gradient.values)
    if table.weight.grad is None:
        return None
    table.weight.grad = table.weight.grad.coalesce()
    return table.weight.grad.values()


class RowAdagrad:
    """The update of embedding tables. `rate` is the learning rate."""

    def __init__(self, tables: Sequence[EmbeddingTable], rate: float) -> None:
        self._tables = list(tables)
        self.rate = rate
        self.state = [torch.zeros(len(table.weight), device=table.weight.device) for table in tables]

    @torch.no_grad()
    def step(self) -> None:
        for table, state in zip(self._tables, self.state, strict=True):
            if table.weight.device.type == "cpu":
                gradient = table.row_gradient
                _update(table.weight.numpy(), state.numpy(), gradient.rows, gradient.values, self.rate, _EPS)
                gradient.clear()
            elif table.weight.grad is not None:
                _update_sparse(table.weight, state, table.weight.grad.coalesce(), self.rate)
                table.weight.grad = None


def _update_sparse(weight: Tensor, state: Tensor, gradient: Tensor, rate: float) -> None:
    rows, values = gradient.indices()[0], gradient.values()
    state[rows] += values.square().mean(dim=1)
    weight[rows] -= rate * values / (state[rows].sqrt() + _EPS).unsqueeze(1)


@kernel(
    types.void(
        types.float32[:, ::1],
        types.float32[::1],
        types.Array(types.int64, 1, "C", readonly=True),
        types.Array(types.float32, 2, "C", readonly=True),
        types.float64,
        types.float64,
    ),
    fastmath={"contract", "reassoc"},
)
def _update(weight, state, rows, values, rate, eps):
    dim = weight.shape[1]
    for i in range(len(rows)):
        row = rows[i]
        square = np.float32(0.0)
        for d in range(dim):
            square += values[i, d] * values[i, d]
        state[row] += square / np.float32(dim)
        step = np.float32(rate / (np.sqrt(state[row]) + eps))
        for d in range(dim):
            weight[row, d] -= step * values[i, d]
