"""How is it learned? recipe.yaml: typed, frozen, strict.

    embedding: people-text            # key of the vectors; without it the vertical's
    towers: {dim: 64, hidden: 128, features: {request: [text], document: [name]}}     # towers/settings.py
    loss: {kind: softmax, scale: 20}                                # or {kind: triplet, margin: 0.5}
    negatives: {random: 1024, in_batch: true, log_q: false}         # see Negatives for the other sources
    positives: [click, hard]                                        # or impression
    volume: {}                                                      # used share of a source's pairs: {click: 0.04}
    hard_positives: {first: true, min_likeness: 0.0}                # which of "hard": vertical/failed_searches.py
    dropout: 0.2
    optimizer: {rate: 0.002, table_rate: 0.05, encoder_rate: 0.0001}
    batch: 1024
    epochs: 10
    patience: 2
    validation: {searches: 2000, k: 10, start: true}
    stages: []                                                      # one after another: see Stage
    threads: 1
    seed: 0

Every key has a default: those above, but for `embedding` and `features`. Stages mine hard negatives again and again, in
one run that can be interrupted and resumed; here those that the model of the round before ranks 101st to 500th:

  stages: [{epochs: 6}, {negatives: {mined: {ranks: [101, 500], easy_per_hard: 100}}, epochs: 2, rounds: 3}]
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from alicorn.config import Config, load_yaml
from alicorn.towers import Towers
from alicorn.vertical import FailedSearchRules

PositiveFloat = Annotated[float, Field(gt=0)]
PositiveInt = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Source = Literal["click", "hard", "impression"]


class SoftmaxLoss(Config):
    """losses/softmax.py. scale: 15-20 in Que2Search."""

    kind: Literal["softmax"] = "softmax"
    scale: PositiveFloat = 20.0


class TripletLoss(Config):
    """losses/triplet.py. margin: in cosine distance; tune it, recall moved by 5-10 % with it in EBR."""

    kind: Literal["triplet"]
    margin: PositiveFloat = 0.5


class Mined(Config):
    """Offline hard negatives (training/mining.py): what the model ranks for the request, though not at the very top.

    ranks: first and last, counted in the whole corpus from 1. shard: share of the documents that is searched, drawn at
    random; rank r of the corpus is rank r x shard of it. easy_per_hard: weight of all other negatives of a request for
    1 of its mined ones (EBR: recall saturates at 100). per_positive: mined documents a batch shows of each request.
    """

    ranks: tuple[PositiveInt, PositiveInt] = (101, 500)
    shard: Annotated[float, Field(gt=0, le=1)] = 0.1
    easy_per_hard: PositiveFloat = 100.0
    per_positive: PositiveInt = 1

    @model_validator(mode="after")
    def _check(self) -> "Mined":
        if self.ranks[0] > self.ranks[1]:
            raise ValueError(f"ranks: first and last, such as [101, 500], got {list(self.ranks)}")
        return self


class Negatives(Config):
    """Where negatives come from; sources add up.

    random: documents per batch, shared by its requests. in_batch: every other positive of the batch. online_hard: only
    so many most similar ones of those. non_click: documents of the same search that were shown and not clicked, per
    positive. mined: offline hard negatives. log_q: subtract from a logit how often its document is drawn.
    """

    random: Annotated[int, Field(ge=0)] = 1024
    in_batch: bool = True
    online_hard: Annotated[int, Field(ge=0)] = 0
    non_click: Annotated[int, Field(ge=0)] = 0
    mined: Mined | None = None
    log_q: bool = False

    @model_validator(mode="after")
    def _check(self) -> "Negatives":
        if self.in_batch and self.online_hard:
            raise ValueError(
                "in_batch takes every other positive of the batch as a negative, online_hard only the most similar: "
                "set in_batch: false or online_hard: 0"
            )
        if not (self.random or self.in_batch or self.online_hard or self.non_click or self.mined):
            raise ValueError("there is no negative: set random, in_batch, online_hard, non_click or mined")
        if self.log_q and not self.in_batch:
            raise ValueError("log_q corrects for drawing in-batch negatives by popularity: set in_batch: true")
        return self

    def num_easy(self, batch: int) -> int:
        """Negatives of one request that are not chosen for being hard."""
        return self.random + (batch - 1 if self.in_batch else 0) + self.non_click


class Optimizer(Config):
    """optimizer.py: Adam with `rate` over dense weights, row-wise Adagrad with `table_rate` over embedding tables.

    encoder_rate: of Adam over the tuned layers of a pretrained text encoder, where the towers have one.
    """

    rate: PositiveFloat = 0.002
    table_rate: PositiveFloat = 0.05
    encoder_rate: PositiveFloat = 0.0001


class Validation(Config):
    """Recall@k by exact search over all documents, on at most `searches` of the valid split, after every epoch.

    start: whether the weights that the last stage starts from may be its best, where learning only makes them worse.
    """

    searches: PositiveInt = 2000
    k: PositiveInt = 10
    start: bool = True


class Stage(Config):
    """A part of the training; a key left out is as in the recipe. It starts from the weights of the best epoch of the
    stage before, with optimizers afresh. rounds: how often it is run; hard negatives are mined at the start of each.

    The untrained start is no best epoch of a stage that another one follows.
    """

    loss: Annotated[SoftmaxLoss | TripletLoss, Field(discriminator="kind")] | None = None
    negatives: Negatives | None = None
    optimizer: Optimizer | None = None
    epochs: PositiveInt | None = None
    patience: PositiveInt | None = None
    rounds: PositiveInt = 1


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
    volume: dict[Source, Share] = Field(default_factory=dict)
    hard_positives: FailedSearchRules = FailedSearchRules()
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    optimizer: Optimizer = Optimizer()
    batch: Annotated[int, Field(ge=2)] = 1024
    epochs: PositiveInt = 10
    patience: PositiveInt = 2
    validation: Validation = Validation()
    stages: tuple[Stage, ...] = ()
    threads: PositiveInt = 1
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        for number, stage in enumerate(self.steps(), 1):
            if stage.negatives.log_q and isinstance(stage.loss, TripletLoss):
                raise ValueError(
                    f"stage {number}: log_q corrects the logits of a softmax: set log_q: false, or its loss"
                )
        if unused := set(self.volume) - set(self.positives):
            raise ValueError(f"volume: {', '.join(sorted(unused))} is not among the positives")
        return self

    def steps(self) -> tuple["Recipe", ...]:
        """The stages as recipes without stages, rounds written out; the recipe itself where it has none."""
        if not self.stages:
            return (self,)
        steps = []
        for stage in self.stages:
            given = {name: getattr(stage, name) for name in stage.model_fields_set - {"rounds"}}
            changes = {name: value for name, value in given.items() if value is not None}
            steps += [self.model_copy(update={**changes, "stages": ()})] * stage.rounds
        return tuple(steps)

    @classmethod
    def load(cls, path: str | Path) -> "Recipe":
        """The recipe in the file at `path`. Raises ConfigError."""
        return load_yaml(path, cls)

    def plain(self) -> dict[str, Any]:
        """As recipe.yaml of a model: every default written out."""
        return self.model_dump(mode="json")
