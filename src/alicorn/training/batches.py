"""The batches of an epoch: a seeded shuffle of the pairs, shared random documents, and the mask. Used by loop.py.

Everything random is drawn from (seed, epoch), so an epoch is the same after a resume. Batches are made one ahead in a
thread of their own: the loops that gather rows and mark known positives release the interpreter.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from alicorn.features import Bag, Features
from alicorn.negatives import in_batch, random_documents
from alicorn.towers.channels import Batch, batch_tensors
from alicorn.training.data import TrainingData
from alicorn.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class PairBatch:
    """documents: columns [positives | random]. allowed: bool (pairs, columns), what may be a negative of whom."""

    requests: Batch
    documents: Batch
    allowed: Tensor
    size: int


def epoch_batches(data: TrainingData, recipe: Recipe, epoch: int, device: torch.device) -> Iterator[PairBatch]:
    """All pairs once, in random order, `recipe.batch` at a time; the last batch may be smaller."""
    made = _batches(data, recipe, np.random.default_rng([recipe.seed, epoch]), device)
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, made, None)
        while (batch := following.result()) is not None:
            following = thread.submit(next, made, None)
            yield batch


def _batches(data: TrainingData, recipe: Recipe, rng: np.random.Generator, device: torch.device) -> Iterator[PairBatch]:
    order = rng.permutation(len(data.positives))
    for start in range(0, len(order), recipe.batch):
        yield _made(order[start : start + recipe.batch], data, recipe, rng, device)


def _made(
    pairs: np.ndarray, data: TrainingData, recipe: Recipe, rng: np.random.Generator, device: torch.device
) -> PairBatch:
    drawn = random_documents(len(data.documents), recipe.negatives.random, rng)
    columns = np.concatenate([data.positives[pairs], drawn])
    others = in_batch(len(pairs)) & bool(recipe.negatives.in_batch or recipe.negatives.online_hard)
    allowed = np.hstack([others, np.ones((len(pairs), len(drawn)), dtype=bool)])
    allowed &= ~data.known.mask(pairs, columns)
    return PairBatch(
        batch_tensors(_thinned(data.requests.take(pairs), recipe.dropout, rng), device),
        batch_tensors(_thinned(data.documents.take(columns), recipe.dropout, rng), device),
        torch.from_numpy(allowed).to(device),
        len(pairs),
    )


def _thinned(features: Features, dropout: float, rng: np.random.Generator) -> Features:
    """A share of the entries of every bag left out."""
    if dropout == 0:
        return features
    channels = {
        name: channel.thinned(rng.random(len(channel.indices), dtype=np.float32) >= dropout)
        if isinstance(channel, Bag)
        else channel
        for name, channel in features.channels.items()
    }
    return Features(channels, len(features))
