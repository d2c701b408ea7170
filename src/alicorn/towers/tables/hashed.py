"""Ids by several rows of one table, and the universal hashes that choose them.

With one row per id, two ids of one bucket cannot be told apart; with two, only ids that share both. Two hashes are the
"double hash" that DHE is compared with (Kang et al., KDD 2021).
"""

import numpy as np
import torch
from torch import Tensor, nn

from alicorn.towers.tables.table import EmbeddingTable

_PRIME = 2**31 - 1  # a Mersenne prime above every fingerprint; a product of two numbers below it fits 62 bits
_SEED = 8  # of the hash functions: the same in every model


class UniversalHashes(nn.Module):
    """((a s + b) mod p) mod m for `count` pairs (a, b), p = 2^31 - 1. They are fixed, and no part of the weights."""

    a: Tensor
    b: Tensor

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        rng = np.random.default_rng(_SEED)
        self.size = size
        self.register_buffer("a", torch.from_numpy(rng.integers(1, _PRIME, count)), persistent=False)
        self.register_buffer("b", torch.from_numpy(rng.integers(0, _PRIME, count)), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """ids: integers, 0 <= id < p. Returns int64 (*ids.shape, count), each 0..size - 1."""
        return (ids.long()[..., None] * self.a + self.b) % _PRIME % self.size


class HashedTable(nn.Module):
    """An EmbeddingTable of which each id reads `hashes` rows, whose sum it is."""

    def __init__(self, buckets: int, dim: int, hashes: int, length: float = 1.0) -> None:
        super().__init__()
        self.table = EmbeddingTable(buckets, dim, length * hashes**-0.5)  # so that the sum has length `length`
        self.hashes = UniversalHashes(hashes, buckets)

    def forward(self, indices: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        """As EmbeddingTable, of ids hashed to FINGERPRINTS."""
        count = len(self.hashes.a)
        rows = (self.hashes(indices) + 1).to(torch.int32).flatten()
        result: Tensor = self.table(rows, offsets * count, weights.repeat_interleave(count))
        return result

    def padded(self, ids: Tensor, weights: Tensor) -> Tensor:
        """As EmbeddingTable.padded."""
        rows = self.hashes(ids) + 1
        return self.table.padded(rows.flatten(1), weights[:, :, None].expand(rows.shape).flatten(1))
