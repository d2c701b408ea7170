"""A small text encoder learned from nothing: tokens through a table, a few layers, [CLS], a network. See attention.py.

    x_i = norm(P t_i + place_i),   [CLS] before them,   layers,   y = B gelu(A [CLS] of the last layer)

Que2Search's query side has 2 layers, 4 heads and 128 dimensions, small enough for a processor. Tokens
are hashed words or trigrams, in order (features/kinds/text.py): a word never seen has a row as well.
"""

import torch
from torch import Tensor, nn

from alicorn.towers.channels.attention import TransformerLayer, present_of

_TEXTS = 512  # at once where no gradient is kept: texts of like length together, little is padded


class TextTransformer(nn.Module):
    """table_dim: of the tokens' rows. width: of everything else. places: tokens of the longest text."""

    def __init__(self, table_dim: int, width: int, layers: int, heads: int, places: int) -> None:
        super().__init__()
        self.width = width
        self.project = nn.Linear(table_dim, width, bias=False)
        self.places = nn.Parameter(torch.randn(places, width) * 0.3 * width**-0.5)  # tokens have length 1 at first
        self.normalise = nn.LayerNorm(width)
        self.first = nn.Parameter(torch.randn(width) * 0.02)  # so small that the first layer's [CLS] is its tokens'
        self.layers = nn.ModuleList([TransformerLayer(width, heads) for _ in range(layers)])
        self.hidden = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        nn.init.orthogonal_(self.project.weight)
        nn.init.zeros_(self.hidden.bias)
        nn.init.zeros_(self.output.bias)
        with torch.no_grad():
            self.output.weight.mul_(3 * width**-0.5)  # a text has a length of about 1 at first, as its n-grams

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """tokens: (rows, longest, table_dim), zero behind a row's end. lengths: int64 (rows,).

        Returns (rows, width); zero for a text without tokens.
        """
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or len(lengths) <= _TEXTS:
            return self._texts(tokens, lengths)
        order = torch.argsort(lengths)
        parts = [
            self._texts(tokens[rows, : max(1, int(lengths[rows].max()))], lengths[rows]) for rows in order.split(_TEXTS)
        ]
        return torch.cat(parts)[torch.argsort(order)]

    def _texts(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        rows, longest, _ = tokens.shape
        elements = self.normalise(self.project(tokens) + self.places[:longest])
        elements = torch.cat([self.first.expand(rows, 1, -1), elements], dim=1)
        present = present_of(lengths + 1, longest + 1)
        for layer in self.layers:
            elements = layer(elements, present)
        result: Tensor = self.output(nn.functional.gelu(self.hidden(elements[:, 0]))) * (lengths > 0)[:, None]
        return result
