"""Training that diverged: the values that are checked, and the error that says where, what and what to do.

After each batch the loss must be finite, and every embedding of unit length. A weight that grows too large is seen
there: the square of 1e20 is infinite in float32, and a vector divided by an infinite length is zero. After each epoch,
before its checkpoint is written, all weights must be finite, every document must have a length, and not all documents
may have one embedding: then every search has the same answer, whose order means nothing. Decision 030.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from alicorn.errors import TrainingError
from alicorn.losses.finite import all_finite
from alicorn.towers import TwoTower
from alicorn.training.recipe.recipe import Optimizer

_OFF_UNIT = 0.01  # a unit vector of float32 is within 1e-5 of its length, a vector that overflowed is 0 or NaN
_ALIKE = 1e-6  # largest difference of a number between unit vectors that rounding explains


class TrainingPosition(NamedTuple):
    """Where training is. epoch, stage: from 1; batch: from 1, None after all of an epoch; epoch 0 is before training.
    kept: the folder of the last good checkpoint, as a person reads it."""

    stage: int
    epoch: int
    batch: int | None
    kept: str

    def __str__(self) -> str:
        return f"stage {self.stage}, epoch {self.epoch}" + (f", batch {self.batch}" if self.batch else "")


def check_batch(
    module: TwoTower, optimizer: Optimizer, embeddings: dict[str, Tensor], loss: Tensor, at: TrainingPosition
) -> None:
    """embeddings: by side, (rows, dim). Raises TrainingError."""
    for side, vectors in embeddings.items():
        if not all_unit(vectors):
            raise TrainingError(_sentence(at, f"an embedding of a {side} has no length", module, optimizer))
    if not torch.isfinite(loss):
        raise TrainingError(_sentence(at, f"the loss is {float(loss)}", module, optimizer))


def check_epoch(module: TwoTower, optimizer: Optimizer, documents: Tensor, at: TrainingPosition) -> None:
    """documents: (documents, dim), the embeddings of all. Raises TrainingError."""
    for name, weight in module.named_weights():
        if not all_finite(weight):
            raise TrainingError(_sentence(at, f"a weight of {name} is no finite number", module, optimizer))
    if not all_unit(documents):
        row = int((~_is_unit(documents)).int().argmax())
        raise TrainingError(_sentence(at, f"the embedding of document row {row} has no length", module, optimizer))
    if all_alike(documents):
        what = f"all {len(documents)} documents have one embedding, so every search has the same answer"
        raise TrainingError(_sentence(at, what, module, optimizer))


def all_unit(vectors: Tensor) -> bool:
    """Whether all, (rows, dim), have unit length; a vector that is not finite has not."""
    return bool(_is_unit(vectors).all())


def all_alike(vectors: Tensor) -> bool:
    """Whether two vectors or more, (rows, dim), unit length, are one vector, but for rounding."""
    return len(vectors) > 1 and float((vectors - vectors[0]).abs().max()) < _ALIKE


def _is_unit(vectors: Tensor) -> Tensor:
    return (vectors.square().sum(dim=1) - 1.0).abs() < _OFF_UNIT


def _sentence(at: TrainingPosition, what: str, module: TwoTower, optimizer: Optimizer) -> str:
    if at.epoch == 0:
        return (
            f"training cannot start: {what}: give the document side features that tell documents apart (recipe, "
            "towers.features), and where training starts from a model, start from another one"
        )
    name, size, rate = max(_magnitudes(module), key=lambda item: float("inf") if item[1] != item[1] else item[1])
    return (
        f"training diverged in {at}: {what}; the largest weight is {size:.3g}, in {name}: lower optimizer.{rate} "
        f"(now {getattr(optimizer, rate):g}) or set optimizer.clip, and train into another folder; no model was "
        f"written, the last good checkpoint is kept in {at.kept}"
    )


def _magnitudes(module: TwoTower) -> Iterator[tuple[str, float, str]]:
    """Of each weight its name, its largest magnitude, and the rate of the optimizer that moves it."""
    tables = {id(table.weight) for table in module.embedding_tables()}
    for name, weight in module.named_weights():
        rate = "table_rate" if id(weight) in tables else "encoder_rate" if name.startswith("tuned") else "rate"
        yield name, float(weight.detach().abs().max()), rate
