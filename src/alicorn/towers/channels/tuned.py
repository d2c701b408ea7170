"""The last layers of a pretrained transformer, learned with the towers.

A text arrives as the vectors of its tokens below these layers, and leaves as its sentence vector: the mean over its
tokens at unit length, as where nothing is tuned. A text without tokens leaves as zeros.
"""

import torch
from torch import Tensor, nn

from alicorn.towers.channels.tensors import TokenTensors

_TEXTS = 512  # at once where no gradient is kept: 512 texts of 64 tokens and 1,536 hidden numbers take 200 MB


class TunedLayers(nn.Module):
    """layers: transformer layers of BERT's kind, called with (hidden, additive mask)."""

    def __init__(self, layers: nn.ModuleList) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, tokens: TokenTensors) -> Tensor:
        """(rows, width): unit length, or zero."""
        if torch.is_grad_enabled() or len(tokens.lengths) <= _TEXTS:
            return self._sentences(tokens)
        order = torch.argsort(tokens.lengths)  # texts of like length together: little is padded
        parts = [self._sentences(tokens.take(rows)) for rows in order.split(_TEXTS)]
        return torch.cat(parts)[torch.argsort(order)]

    def _sentences(self, tokens: TokenTensors) -> Tensor:
        hidden, lengths = tokens
        present = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]  # (rows, longest)
        # A row without tokens attends to its padding, so that no softmax is over nothing; it is zeroed below.
        attended = present | (lengths == 0)[:, None]
        mask = torch.zeros_like(attended, dtype=hidden.dtype).masked_fill(~attended, torch.finfo(hidden.dtype).min)
        for layer in self.layers:
            hidden = layer(hidden, mask[:, None, None, :])
        total = (hidden * present[:, :, None]).sum(dim=1)
        return nn.functional.normalize(total, dim=1)
