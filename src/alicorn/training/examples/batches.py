"""The batches of an epoch: a seeded shuffle of the pairs, what the sources of negatives add, the mask.

Everything random is drawn from (seed, epoch), so an epoch is the same after a resume. Batches are made one ahead in a
thread of their own: the loops that gather rows and mark known positives release the interpreter.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from alicorn.features import Bag, Features
from alicorn.negatives import (
    Columns,
    OwnNegatives,
    RandomDocuments,
    Source,
    StreamingPopularity,
    batch_columns,
    log_frequency,
    log_mixture,
)
from alicorn.negatives.interpolated import LEAST, MOST
from alicorn.towers.channels.tensors import Batch, batch_tensors
from alicorn.training.examples.data import TrainingData
from alicorn.training.ranks import ALONE, Ranks
from alicorn.training.recipe.loss_settings import MarginMSELoss
from alicorn.training.recipe.recipe import Recipe


@dataclass(frozen=True, eq=False)
class PairBatch:
    """documents: columns [positives | random | own]. allowed: bool (pairs, columns), what may be a negative of whom.

    requests, documents: of the rows that this process encodes (ranks.py); all others are of the whole batch.
    pairs: int64 (size,), numbers of training pairs. numbers: int64 (columns,), of documents.
    log_q: float32 (columns,), what is subtracted from a column's logit: logQ, and minus the log of its weight. weights:
    float32 (columns,), how many negatives a column counts as. Both None where nothing is corrected or weighted.
    mixing: float32 (size, count), the positive's shares in generated negatives; None where none are made. margins:
    float32 (size, columns), by which a teacher prefers the positive, NaN where unknown; None without a teacher.
    """

    requests: Batch
    documents: Batch
    allowed: Tensor
    size: int
    pairs: np.ndarray
    numbers: np.ndarray
    log_q: Tensor | None
    weights: Tensor | None
    mixing: Tensor | None
    margins: Tensor | None


def epoch_batches(
    data: TrainingData,
    recipe: Recipe,
    epoch: int,
    device: torch.device,
    mined: OwnNegatives | None = None,
    streaming: StreamingPopularity | None = None,
    ranks: Ranks = ALONE,
) -> Iterator[PairBatch]:
    """All pairs once, in random order, `recipe.batch` at a time; the last batch may be smaller.

    Where pairs have weights, as many are drawn in all, each by its weight (`by_weight`).

    mined: the offline hard negatives of the pairs, where the recipe has some. streaming: the estimate of popularity
    that logQ is taken from, which sees every batch; None: popularity is counted.
    """
    made = _Batches(data, recipe, np.random.default_rng([recipe.seed, epoch]), device, mined, streaming, ranks)
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, made, None)
        while (batch := following.result()) is not None:
            following = thread.submit(next, made, None)
            yield batch


class _Batches(Iterator[PairBatch]):
    """The batches of one epoch, made one at a time."""

    def __init__(
        self,
        data: TrainingData,
        recipe: Recipe,
        rng: np.random.Generator,
        device: torch.device,
        mined: OwnNegatives | None,
        streaming: StreamingPopularity | None,
        ranks: Ranks,
    ) -> None:
        self.data, self.recipe, self.rng, self.device, self.ranks = data, recipe, rng, device, ranks
        self.sources = _sources(data, recipe, mined)
        self.streaming = streaming
        self.log_frequency = None if streaming else _log_frequency(data, recipe)
        drawn = len(data.positives) if data.weights is None else by_weight(data.weights, rng)
        order = rng.permutation(drawn)
        self.parts = iter(order[start : start + recipe.batch] for start in range(0, len(order), recipe.batch))

    def __next__(self) -> PairBatch:
        pairs = next(self.parts)
        negatives = self.recipe.negatives
        others = bool(negatives.in_batch or negatives.online_hard)
        positives = self.data.positives[pairs]
        columns = batch_columns(pairs, positives, others, self.sources, self.data.known, self.rng)
        log_q, weights = self._counted(columns, len(pairs))
        return PairBatch(
            self._encoded(self.data.requests, pairs),
            self._encoded(self.data.documents, columns.documents),
            torch.from_numpy(columns.allowed).to(self.device),
            len(pairs),
            pairs,
            columns.documents,
            log_q,
            weights,
            self._mixing(len(pairs)),
            self._margins(pairs, columns),
        )

    def _encoded(self, features: Features, rows: np.ndarray) -> Batch:
        """The rows that this process encodes. What is left out by chance is drawn for all of them."""
        share = self.ranks.encoded(len(rows))
        if self.recipe.dropout == 0:
            return batch_tensors(features.take(rows[share]), self.device)
        thinned = _thinned(features.take(rows), self.recipe.dropout, self.rng)
        own = thinned if self.ranks is ALONE else thinned.take(np.arange(share.start, share.stop))
        return batch_tensors(own, self.device)

    def _counted(self, columns: Columns, batch: int) -> tuple[Tensor | None, Tensor | None]:
        """(log_q, weights) of a batch."""
        if not self.recipe.negatives.log_q and (columns.weights == 1).all():
            return None, None
        log_q = -np.log(columns.weights)
        if self.recipe.negatives.log_q:
            shared = batch + self.recipe.negatives.random
            log_q[:shared] += self._log_frequency(columns.documents[:shared], batch)
            log_q[shared:] -= np.log(len(self.data.documents))  # the mean of 1 / q over what is drawn by q
        return torch.from_numpy(log_q).to(self.device), torch.from_numpy(columns.weights).to(self.device)

    def _log_frequency(self, documents: np.ndarray, batch: int) -> np.ndarray:
        """float32 (documents,): natural log of the share of the shared columns that each is."""
        if self.log_frequency is not None:
            result: np.ndarray = self.log_frequency[documents]
            return result
        assert self.streaming is not None
        self.streaming.see(documents[:batch])
        negatives = self.recipe.negatives
        popularity = self.streaming.chance(documents) / self.recipe.batch
        return log_mixture(
            popularity, len(self.data.documents), negatives.num_popular(self.recipe.batch), negatives.random
        )

    def _margins(self, pairs: np.ndarray, columns: Columns) -> Tensor | None:
        if self.data.teacher is None or not isinstance(self.recipe.loss, MarginMSELoss):
            return None
        margins = self.data.teacher.margins(pairs, columns.documents, columns.allowed)
        return torch.from_numpy(margins).to(self.device)

    def _mixing(self, batch: int) -> Tensor | None:
        count = self.recipe.negatives.interpolated
        if not count:
            return None
        shares = self.rng.uniform(LEAST, MOST, (batch, count)).astype(np.float32)
        return torch.from_numpy(shares).to(self.device)


def by_weight(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """int64 (pairs,): numbers of pairs, each as often as its share of all weights says, rounded up or down by chance.

    A weight acts alike on every loss and on the popularity that logQ corrects for, and equal weights draw every pair
    once. Source: randomised systematic sampling (Madow, 1949): in a random order, as weights that recur in the order of
    the pairs would be drawn together.
    """
    order = rng.permutation(np.flatnonzero(weights))
    ends = np.cumsum(weights[order])
    points = (rng.random() + np.arange(len(weights))) * (ends[-1] / len(weights))
    drawn: np.ndarray = order[np.minimum(np.searchsorted(ends, points, side="right"), len(order) - 1)]
    return drawn


def _sources(data: TrainingData, recipe: Recipe, mined: OwnNegatives | None) -> list[Source]:
    negatives = recipe.negatives
    sources: list[Source] = [RandomDocuments(len(data.documents), negatives.random)] if negatives.random else []
    if negatives.non_click and data.non_clicks is not None:
        sources.append(replace(data.non_clicks, per_positive=negatives.non_click))
    if negatives.mined and mined is not None:
        easy = negatives.num_easy(recipe.batch)
        hard = easy / negatives.mined.easy_per_hard if easy else negatives.mined.per_positive
        per_positive = negatives.mined.per_positive
        sources.append(replace(mined, per_positive=per_positive, weight=hard / per_positive))
    return sources


def _log_frequency(data: TrainingData, recipe: Recipe) -> np.ndarray | None:
    if not recipe.negatives.log_q:
        return None
    popular = recipe.negatives.num_popular(recipe.batch)
    return log_frequency(data.positives, len(data.documents), popular, recipe.negatives.random, data.weights)


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
