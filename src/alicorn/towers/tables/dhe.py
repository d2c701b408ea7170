"""Deep hash embedding: an id's vector is computed by a network, and no row is kept for it.

    E'(s) = [H_1(s), ..., H_k(s)],  H_i: 1..10^6, scaled to [-1, 1];     v = decoder(E'(s))

The decoder is `layers` hidden layers, each linear, batch norm and Mish x tanh(ln(1 + e^x)), then a linear one to `dim`:
k w + (layers - 1) w^2 + w dim weights whatever the number of ids. Unseen ids have codes as good as those of others.
Source: Kang et al., KDD 2021 (uniform transform; we had no access to the form of its hashes).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from alicorn.towers.tables.hashed import UniversalHashes

_SIZE = 10**6  # m of the paper


class DeepHash(nn.Module):
    """hashes: k. width, layers: of the hidden layers. length: of a vector at first, on average."""

    def __init__(self, dim: int, hashes: int, width: int, layers: int, length: float = 1.0) -> None:
        super().__init__()
        self.dim = dim
        self.hashes = UniversalHashes(hashes, _SIZE)
        widths = [hashes, *[width] * layers]
        self.hidden = nn.ModuleList([nn.Linear(a, b, bias=False) for a, b in pairwise(widths)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(width) for _ in range(layers)])
        self.output = nn.Linear(width, dim)
        # Mish of a standard normal number has a mean square of 0.36: its outputs then have the length asked for.
        nn.init.normal_(self.output.weight, 0.0, length * (0.36 * width * dim) ** -0.5)
        nn.init.zeros_(self.output.bias)

    def forward(self, indices: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        """As EmbeddingTable, of ids hashed to FINGERPRINTS. An id is computed once for a batch."""
        if len(indices) == 0:
            return torch.zeros(len(offsets), self.dim, device=indices.device)
        ids, places = torch.unique(indices, return_inverse=True)
        vectors = self.vectors(ids)
        return nn.functional.embedding_bag(places, vectors, offsets.long(), mode="sum", per_sample_weights=weights)

    def padded(self, ids: Tensor, weights: Tensor) -> Tensor:
        """As EmbeddingTable.padded."""
        vectors = self.vectors(ids.flatten()).unflatten(0, ids.shape)
        result: Tensor = (vectors * weights[:, :, None]).sum(dim=1)
        return result

    def vectors(self, ids: Tensor) -> Tensor:
        """(n, dim) of ids, (n,)."""
        x = self.hashes(ids).to(self.output.weight.dtype) * (2 / (_SIZE - 1)) - 1  # (n, k)
        for linear, norm in zip(self.hidden, self.norms, strict=True):
            x = nn.functional.mish(self._normalised(norm, linear(x)))
        result: Tensor = self.output(x)
        return result

    def _normalised(self, norm: nn.Module, x: Tensor) -> Tensor:
        """One id alone has no deviation: it is measured against what was seen before."""
        assert isinstance(norm, nn.BatchNorm1d)
        of_batch = self.training and len(x) > 1
        return nn.functional.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, of_batch, norm.momentum or 0.0, norm.eps
        )
