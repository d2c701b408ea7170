"""How much each channel counts before training: fitted to a sample of the training pairs.

Before anything is learned, towers whose channels are concatenated measure overlap of n-grams, ids and dense vectors,
and every channel counts the same: a story of 300 words drowns a title. One positive number for each channel, learned
with all else fixed, tells which of them say what is asked for. The weights of a channel's projection are multiplied by
it.
"""

from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from alicorn.losses import softmax_loss
from alicorn.towers import TwoTower
from alicorn.towers.fusions.concat import ConcatEncoder
from alicorn.training.examples.batches import PairBatch, epoch_batches
from alicorn.training.examples.data import TrainingData
from alicorn.training.recipe.recipe import Recipe

_PAIRS = 2048  # of the sample, or a batch more
_STEPS = 240
_RATE = 0.05  # of Adam, on logarithms: a channel can lose a factor of e^3 in 60 steps
_SCALE = 20.0
_LEAST = 0.05  # of the greatest: a channel that says nothing now may have something to learn


class _Projected(NamedTuple):
    """requests: (channels, batch, dim), documents: (channels, columns, dim), before they are added and normalised."""

    requests: Tensor
    documents: Tensor
    allowed: Tensor


def fit_channel_balance(module: TwoTower, data: TrainingData, recipe: Recipe) -> dict[str, float]:
    """Multiply the start of each channel's projection in place. Returns the factors by channel, at most 1.

    Nothing happens, and nothing is returned, where the channels of a side are not concatenated, where requests have
    several interests, or where each side has one channel.
    """
    request, document = module.request, module.document
    if not isinstance(request, ConcatEncoder) or not isinstance(document, ConcatEncoder) or module.interests > 1:
        return {}
    if len(request.names) == len(document.names) == 1:
        return {}
    first = recipe.stage_recipes()[0]
    batches = islice(epoch_batches(data, first, 0, request.linear.weight.device), -(-_PAIRS // first.batch))
    with torch.no_grad():
        sample = [_projected(module, request, document, batch) for batch in batches]
    weights = _fitted(sample)
    for encoder, factors in zip((request, document), weights, strict=True):
        encoder.weigh(factors)
    names = [*map(str, request.names), *map(str, document.names)]
    return dict(zip(names, torch.cat(weights).tolist(), strict=True))


def _projected(module: TwoTower, request: ConcatEncoder, document: ConcatEncoder, batch: PairBatch) -> _Projected:
    tables = module.named_tables()
    return _Projected(
        request.projected(batch.requests, tables, module.tuned),
        document.projected(batch.documents, tables, module.tuned),
        batch.allowed,
    )


def _fitted(sample: list[_Projected]) -> list[Tensor]:
    """The factors of the channels of requests, and of documents: from _LEAST to 1."""
    device = sample[0].requests.device
    logarithms = [torch.zeros(len(side), device=device, requires_grad=True) for side in sample[0][:2]]
    optimizer = torch.optim.Adam(logarithms, lr=_RATE)
    for step in range(_STEPS):
        batch = sample[step % len(sample)]
        requests, documents = (
            normalize((side * weight.exp()[:, None, None]).sum(dim=0), dim=1)
            for side, weight in zip(batch[:2], logarithms, strict=True)
        )
        optimizer.zero_grad()
        softmax_loss(requests, documents, batch.allowed, _SCALE).backward()
        optimizer.step()
    return [(each.detach() - each.detach().max()).exp().clamp(min=_LEAST) for each in logarithms]
