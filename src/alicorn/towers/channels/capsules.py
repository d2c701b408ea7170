"""Several interests of one request from what happened before it: capsules with dynamic routing.

Of the elements e_1..e_n of a sequence and K capsules, with one matrix S for all:

    b_kj ~ N(0, 1)                             then so many rounds of
    c_kj = softmax over k of b_kj              which capsule an element goes to
    z_k = sum_j c_kj S e_j,   v_k = |z_k|^2 / (1 + |z_k|^2) z_k / |z_k|
    b_kj += v_k . S e_j                        and it goes where its like are

The start of b keeps the capsules apart. It is drawn once, for each place of the sequence, and kept with the weights, so
that a request has the same interests whenever and in whatever batch it is encoded. Only the last round has a gradient:
what an element belongs to is a choice, made as in k-means. Source: DRIM (arXiv 2103.12404); the
routing is that of MIND.
"""

import torch
from torch import Tensor, nn

_START = 10.0


class Capsules(nn.Module):
    """count: of interests. longest: elements of a sequence at most. width: of an element. rounds: of routing."""

    def __init__(self, count: int, rounds: int, longest: int, width: int) -> None:
        super().__init__()
        self.count, self.rounds = count, rounds
        self.shared = nn.Linear(width, width, bias=False)
        # In the space of the elements, as their mean is. Rows of tables start a tenth long (two_tower.py): agreement of
        # vectors that short would never move a choice.
        self.shared.weight = nn.Parameter(_START * torch.eye(width))
        self.start: Tensor
        self.register_buffer("start", torch.empty(count, longest).normal_())

    def forward(self, elements: Tensor, lengths: Tensor) -> Tensor:
        """(rows, interests, width), shorter than 1; zero for a row without elements.

        elements: (rows, longest, width). lengths: int64 (rows,); elements behind them are not read.
        """
        rows, longest, _ = elements.shape
        present = torch.arange(longest, device=elements.device) < lengths[:, None]  # (rows, longest)
        mapped = self.shared(elements) * present[:, :, None]
        fixed = mapped.detach()
        logits = self.start[:, :longest].expand(rows, -1, -1)  # (rows, interests, longest)
        for _ in range(self.rounds - 1):
            logits = logits + _squashed(logits.softmax(dim=1) @ fixed) @ fixed.transpose(1, 2)
        return _squashed(logits.softmax(dim=1) @ mapped)


def _squashed(z: Tensor) -> Tensor:
    """|z|^2 / (1 + |z|^2) z / |z|, (..., width), written so that zero has a gradient."""
    squared = z.square().sum(dim=-1, keepdim=True)
    return z * (squared + torch.finfo(z.dtype).eps).sqrt() / (1.0 + squared)
