"""The processes of one run that share the rows of every batch: data-parallel training, started by torchrun.

Every process makes the same batch, from the same seed, and encodes its share of the rows. The embeddings of all are
then gathered, so that every process has the loss of the whole batch, with every negative that one process would have:
of the batch, of other sources, remembered, weighted by logQ, masked. Going back, each follows the gradient of its own
rows, and the gradients of the weights are added up before the optimizers, which move the same weights by the same steps
everywhere. So a run of several processes is that of one but for the rounding of sums.

What is written to disk, and what is measured on the valid split, is done by the first process; the others wait.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """rank: of this process, from 0; size: of all."""

    rank: int
    size: int

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def own(self, rows: int) -> slice:
        """This process's share of the rows of a batch; a share of no rows where there are fewer rows than processes."""
        share = -(-rows // self.size)
        return slice(min(self.rank * share, rows), min((self.rank + 1) * share, rows))

    def encoded(self, rows: int) -> slice:
        """`own`, or the first row where that is empty: an encoder takes one row at least."""
        own = self.own(rows)
        return own if own.start < own.stop else slice(0, 1)

    def gathered(self, part: Tensor, rows: int) -> Tensor:
        """(rows, ...) of all processes. part: those of `encoded`, whose gradient is that of the whole."""
        if self.size == 1:
            return part
        whole: Tensor = _Gathered.apply(part, self, rows)  # type: ignore[no-untyped-call]
        return whole

    def add(self, gradients: Iterable[Tensor]) -> None:
        """Add up tensors over all processes, in place."""
        tensors = list(gradients)
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, total in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    def rows_of_all(self, rows: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of rows, int64 (n,), and their gradients, float32 (n, dim), of all processes, one after the other."""
        counts = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(counts, torch.tensor([len(rows)]))
        sizes = [int(count) for count in counts]
        found = []
        for array in (rows, values):
            padded = np.zeros((max(sizes), *array.shape[1:]), dtype=array.dtype)
            padded[: len(array)] = array
            parts = [torch.empty(padded.shape, dtype=torch.from_numpy(padded).dtype) for _ in sizes]
            dist.all_gather(parts, torch.from_numpy(padded))
            found.append(np.concatenate([part.numpy()[:size] for part, size in zip(parts, sizes, strict=True)]))
        return found[0], found[1]

    def by_first(self, call: Callable[[], Any]) -> Any:
        """What a call returns in the first process, in all of them; the others do not call it."""
        if self.size == 1:
            return call()
        found = [call() if self.is_first else None]
        dist.broadcast_object_list(found)
        return found[0]

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            dist.barrier()


ALONE = Ranks(0, 1)


def launched() -> Ranks:
    """The processes that torchrun started, connected: by NCCL where each has a GPU, else by gloo. Alone without it."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return ALONE
    if not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("cuda:nccl,cpu:gloo" if torch.cuda.is_available() else "gloo")
    return Ranks(dist.get_rank(), dist.get_world_size())


class _Gathered(torch.autograd.Function):
    """Every process has the loss of all rows, so the gradient of its own is a part of what comes back."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, ranks: Ranks, rows: int) -> Tensor:
        ctx.own, ctx.shape = ranks.own(rows), part.shape
        share = -(-rows // ranks.size)
        padded = part.new_zeros(share, *part.shape[1:])
        padded[: ctx.own.stop - ctx.own.start] = part[: ctx.own.stop - ctx.own.start]
        parts = [torch.empty_like(padded) for _ in range(ranks.size)]
        dist.all_gather(parts, padded)
        return torch.cat(parts)[:rows]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        own = gradient.new_zeros(ctx.shape)
        own[: ctx.own.stop - ctx.own.start] = gradient[ctx.own]
        return own, None, None
