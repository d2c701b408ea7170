"""How is it learned? recipe.yaml: typed, frozen, strict.

    embedding: people-text            # key of the vectors; without it the vertical's
    towers: {dim: 64, hidden: 128, features: {request: [text], document: [name]}}     # towers/settings.py
    loss: {kind: softmax, scale: 20}                                # or {kind: triplet, margin: 0.5}
    negatives: {random: 1024, in_batch: true}                       # or {random: 1024, in_batch: false, online_hard: 2}
    positives: [click, hard]                                        # or impression
    dropout: 0.2
    optimizer: {rate: 0.002, table_rate: 0.05, encoder_rate: 0.0001}
    batch: 1024
    epochs: 10
    patience: 2
    validation: {searches: 2000, k: 10}
    threads: 1
    seed: 0

Every key has a default: those above, but for `embedding` and `features`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from alicorn.config import Config, load_yaml
from alicorn.towers import Towers

PositiveFloat = Annotated[float, Field(gt=0)]
PositiveInt = Annotated[int, Field(ge=1)]
Source = Literal["click", "hard", "impression"]


class SoftmaxLoss(Config):
    """losses/softmax.py. scale: 15-20 in Que2Search."""

    kind: Literal["softmax"] = "softmax"
    scale: PositiveFloat = 20.0


class TripletLoss(Config):
    """losses/triplet.py. margin: in cosine distance; tune it, recall moved by 5-10 % with it in EBR."""

    kind: Literal["triplet"]
    margin: PositiveFloat = 0.5


class Negatives(Config):
    """random: documents per batch, shared. online_hard: that many most similar other positives, instead of in_batch."""

    random: Annotated[int, Field(ge=0)] = 1024
    in_batch: bool = True
    online_hard: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _check(self) -> "Negatives":
        if self.in_batch and self.online_hard:
            raise ValueError(
                "in_batch takes every other positive of the batch as a negative, online_hard only the most similar: "
                "set in_batch: false or online_hard: 0"
            )
        if not (self.random or self.in_batch or self.online_hard):
            raise ValueError("there is no negative: set random, in_batch or online_hard")
        return self


class Optimizer(Config):
    """optimizer.py: Adam with `rate` over dense weights, row-wise Adagrad with `table_rate` over embedding tables.

    encoder_rate: of Adam over the tuned layers of a pretrained text encoder, where the towers have one.
    """

    rate: PositiveFloat = 0.002
    table_rate: PositiveFloat = 0.05
    encoder_rate: PositiveFloat = 0.0001


class Validation(Config):
    """Recall@k by exact search over all documents, on at most `searches` of the valid split, after every epoch."""

    searches: PositiveInt = 2000
    k: PositiveInt = 10


class Recipe(Config):
    """The whole of recipe.yaml.

    batch: pairs. patience: epochs without a better recall before the end. dropout: share of the entries of bags
    (n-grams, ids) left out of a training batch, drawn anew each time: it stands for misspelled and missing words.
    threads: of torch; batches are prepared in one more. The same number gives the same weights. With 2, a machine that
    is busy otherwise trained 10 times slower, since threads wait for each other in every step.
    """

    embedding: Annotated[str, Field(min_length=1)] | None = None
    towers: Towers = Towers()
    loss: Annotated[SoftmaxLoss | TripletLoss, Field(discriminator="kind")] = SoftmaxLoss()
    negatives: Negatives = Negatives()
    positives: Annotated[tuple[Source, ...], Field(min_length=1)] = ("click", "hard")
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    optimizer: Optimizer = Optimizer()
    batch: Annotated[int, Field(ge=2)] = 1024
    epochs: PositiveInt = 10
    patience: PositiveInt = 2
    validation: Validation = Validation()
    threads: PositiveInt = 1
    seed: Annotated[int, Field(ge=0)] = 0

    @classmethod
    def load(cls, path: str | Path) -> "Recipe":
        """The recipe in the file at `path`. Raises ConfigError."""
        return load_yaml(path, cls)

    def plain(self) -> dict[str, Any]:
        """As recipe.yaml of a model: every default written out."""
        return self.model_dump(mode="json")
