"""Vectors of n-grams and of terms, learned together: fastText with a yes or no for each term."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DIM = 64
_BATCH = 256
_RATE = 0.01


@dataclass(frozen=True)
class Examples:
    """grams[starts[i]:starts[i + 1]]: buckets of the n-grams of example i. labels, label_starts: of its terms."""

    grams: np.ndarray
    starts: np.ndarray
    labels: np.ndarray
    label_starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def dense_labels(self, rows: np.ndarray, count: int) -> np.ndarray:
        """(rows, count) float32, 1 where an example has a term."""
        lengths = np.diff(self.label_starts)[rows]
        dense = np.zeros((len(rows), count), dtype=np.float32)
        dense[np.repeat(np.arange(len(rows)), lengths), self.labels[_members(self.label_starts, rows)]] = 1.0
        return dense

    def bags(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The n-grams of some examples, one after the other, and where each begins."""
        lengths = np.diff(self.starts)[rows]
        return self.grams[_members(self.starts, rows)].astype(np.int64), np.cumsum(lengths) - lengths

    def means(self, table: np.ndarray) -> np.ndarray:
        """(examples, dim) float64: the mean vector of the n-grams, 0 without any."""
        summed = np.zeros((len(self), table.shape[1]))
        np.add.at(summed, np.repeat(np.arange(len(self)), np.diff(self.starts)), table[self.grams])
        return summed / np.maximum(np.diff(self.starts), 1)[:, None]


def _members(starts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    lengths = np.diff(starts)[rows]
    return np.repeat(starts[rows] - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())


def learned_vectors(
    examples: Examples, num_terms: int, buckets: int, epochs: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """table (buckets, DIM), weights (num_terms, DIM), bias (num_terms,): float32, by binary cross-entropy and Adam."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    grams = torch.nn.EmbeddingBag(buckets, DIM, mode="mean", sparse=True)
    torch.nn.init.normal_(grams.weight, std=0.1, generator=generator)
    terms = torch.nn.Linear(DIM, num_terms)
    torch.nn.init.zeros_(terms.weight)
    torch.nn.init.constant_(terms.bias, -5.0)
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.SparseAdam(grams.parameters(), _RATE),
        torch.optim.Adam(terms.parameters(), _RATE),
    ]
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(examples))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            indices, offsets = (torch.from_numpy(array) for array in examples.bags(rows))
            wanted = torch.from_numpy(examples.dense_labels(rows, num_terms))
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                terms(grams(indices, offsets)), wanted, reduction="sum"
            )
            for optimizer in optimizers:
                optimizer.zero_grad()
            (loss / len(rows)).backward()
            for optimizer in optimizers:
                optimizer.step()
    found = (grams.weight, terms.weight, terms.bias)
    table, weights, bias = (each.detach().numpy().copy() for each in found)
    return table, weights, bias
