"""The last layers of a pretrained transformer, learned with the towers.

A text arrives as the vectors of its tokens below these layers, and leaves as its sentence vector: the mean over its
tokens at unit length, as where nothing is tuned. A text without tokens leaves as zeros. As below, the products are in
bfloat16 where the processor multiplies it; weights and their updates are float32.
"""

import torch
from torch import Tensor, nn

from alicorn.features.pretrained.encoder import multiplies_bfloat16
from alicorn.towers.channels.tensors import TokenTensors

_TEXTS = 64  # at once, of like length: more are padded more, and no longer fit the processor's cache
_TEXTS_ON_A_GPU = 512


class TunedLayers(nn.Module):
    """layers: transformer layers of BERT's kind, called with (hidden, additive mask)."""

    def __init__(self, layers: nn.ModuleList) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, tokens: TokenTensors) -> Tensor:
        """float32 (rows, width): unit length, or zero. Texts of like length together: little is padded."""
        if len(tokens.lengths) == 0:
            return tokens.hidden.sum(dim=1)
        if torch.compiler.is_exporting():
            return self._sentences(tokens)  # of one request, in float32 on every processor
        on_processor = tokens.hidden.device.type == "cpu"
        order = torch.argsort(tokens.lengths)
        parts = order.split(_TEXTS if on_processor else _TEXTS_ON_A_GPU)
        with torch.autocast("cpu", torch.bfloat16, enabled=on_processor and multiplies_bfloat16()):
            vectors = [self._sentences(tokens.take(rows)) for rows in parts]
        return torch.cat(vectors)[torch.argsort(order)]

    def _sentences(self, tokens: TokenTensors) -> Tensor:
        hidden, lengths = tokens
        present = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]  # (rows, longest)
        # A row without tokens attends to its padding, so that no softmax is over nothing; it is zeroed below.
        attended = present | (lengths == 0)[:, None]
        mask = torch.zeros_like(attended, dtype=hidden.dtype).masked_fill(~attended, torch.finfo(hidden.dtype).min)
        for layer in self.layers:
            hidden = layer(hidden, mask[:, None, None, :])
        total = (hidden.float() * present[:, :, None]).sum(dim=1)
        return nn.functional.normalize(total, dim=1)
