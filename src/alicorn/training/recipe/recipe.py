"""How is it learned? recipe.yaml: typed, frozen, strict.

    embedding: people-text            # key of the vectors; without it the vertical's
    towers: {dim: 128, hidden: 0, features: {request: [text], document: [name]}}     # towers/settings/
    loss: {kind: softmax, scale: 20}                                # loss_settings.py; auxiliary, blending, diversity
    negatives: {random: 1024, in_batch: true, log_q: false}         # negative_settings.py: the other sources
    positives: [click, hard]                                        # or impression
    volume: {}                                                      # used share of a source's pairs: {click: 0.04}
    hard_positives: {first: true, min_likeness: 0.0}                # which of "hard": vertical/failed_searches.py
    grades: {positive: 0, negative: 0, validation: 0, weighting: none}              # grade_settings.py
    dropout: 0.2
    channel_balance: fitted                                         # or equal: run/channel_balance.py
    optimizer: {kind: adam, rate: 0.002, table_rate: 0.05, encoder_rate: 0.0001}
    batch: 256
    epochs: 10
    patience: 2
    validation: {searches: 2000, metric: recall, k: 10, start: true, interpolate: [0.75, 0.5, 0.25]}
    stages: []                                                      # one after another: see Stage
    threads: 1
    seed: 0

Every key has a default: those above, but for `embedding` and `features`; decisions 057, 068 and 084 say why these.
Stages mine hard negatives again and again, in one run that can be interrupted and resumed; here those that the model of
the round before ranks 101st to 500th:

  stages: [{epochs: 6}, {negatives: {mined: {ranks: [101, 500], easy_per_hard: 100}}, epochs: 2, rounds: 3}]

`base: que2search` starts from a recipe that is shipped, and changes what else the file says: base.py.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from alicorn.config import Config, parse_config, plain_yaml, read_text
from alicorn.towers import Towers
from alicorn.training.recipe.base import with_base
from alicorn.training.recipe.grade_settings import Grades
from alicorn.training.recipe.loss_settings import Auxiliary, Blending, Diversity, Loss, MarginMSELoss, SoftmaxLoss
from alicorn.training.recipe.negative_settings import Negatives
from alicorn.training.recipe.other_names import OTHER_NAMES
from alicorn.vertical import FailedSearchRules

Share = Annotated[float, Field(gt=0, le=1)]
PositiveSource = Literal["click", "hard", "impression"]


class Optimizer(Config):
    """optimizer.py: Adam or Adagrad with `rate` over dense weights, row-wise Adagrad with `table_rate` over tables.

    encoder_rate: of the tuned layers of a pretrained text encoder, where the towers have one. clip: largest L2 norm of
    the gradient of all weights together; a longer one is shortened to it. MGDSPR: {kind: adagrad, rate: 0.1, clip: 3}.
    """

    kind: Literal["adam", "adagrad"] = "adam"
    rate: PositiveFloat = 0.002
    table_rate: PositiveFloat = 0.05
    encoder_rate: PositiveFloat = 0.0001
    clip: PositiveFloat | None = None


class Validation(Config):
    """validation.py, on at most `searches` of the valid split, after every epoch. metric: early stopping maximises it.

    recall: at k, by exact search over all documents. auc: of the cosine, targets against documents that the same search
    showed and that were not chosen; against random documents where no search of the split has any.
    start: whether the weights that the last stage starts from may be its best, where learning only makes them worse.
    interpolate: shares. In the end the best weights are mixed, so much of them and the rest of those before training,
    and the best mix is the model if it is better: it keeps more of what the towers say of words and documents that
    training has not seen. Source: WiSE-FT (Wortsman et al., CVPR 2022); decision 068.
    """

    searches: PositiveInt = 2000
    metric: Literal["recall", "auc"] = "recall"
    k: PositiveInt = 10
    start: bool = True
    interpolate: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.75, 0.5, 0.25)


class Stage(Config):
    """A part of the training; a key left out is as in the recipe. It starts from the weights of the best epoch of the
    stage before, with optimizers afresh. rounds: how often it is run; hard negatives are mined at the start of each.

    The untrained start is no best epoch of a stage that another one follows.
    """

    loss: Loss | None = None
    negatives: Negatives | None = None
    optimizer: Optimizer | None = None
    epochs: PositiveInt | None = None
    patience: PositiveInt | None = None
    rounds: PositiveInt = 1


class Recipe(Config):
    """The whole of recipe.yaml.

    batch: pairs. patience: epochs without a better validation before the end. dropout: share of the entries of bags
    (n-grams, ids) left out of a training batch, drawn anew each time, as if words were misspelled or missing.
    channel_balance: how much each channel counts before training: as a sample of the pairs says, or all alike; of
    towers whose channels are concatenated.
    threads: of torch; batches are prepared in one more. The same number gives the same weights. With 2, a machine that
    is busy otherwise trained 10 times slower, since threads wait for each other in every step.
    """

    other_names: ClassVar[Mapping[str, str]] = OTHER_NAMES

    embedding: Annotated[str, Field(min_length=1)] | None = None
    towers: Towers = Towers()
    loss: Loss = SoftmaxLoss()
    auxiliary: Auxiliary | None = None
    blending: Blending | None = None
    diversity: Diversity | None = None
    negatives: Negatives = Negatives()
    positives: Annotated[tuple[PositiveSource, ...], Field(min_length=1)] = ("click", "hard")
    volume: dict[PositiveSource, Share] = Field(default_factory=dict)
    hard_positives: FailedSearchRules = FailedSearchRules()
    grades: Grades = Grades()
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    channel_balance: Literal["fitted", "equal"] = "fitted"
    optimizer: Optimizer = Optimizer()
    batch: Annotated[int, Field(ge=2)] = 256
    epochs: PositiveInt = 10
    patience: PositiveInt = 2
    validation: Validation = Validation()
    stages: tuple[Stage, ...] = ()
    threads: PositiveInt = 1
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        for number, stage in enumerate(self.stage_recipes(), 1):
            if problem := _misfit(stage.loss, stage.negatives):
                raise ValueError(f"stage {number}: {problem}")
        if self.diversity and self.towers.interests is None:
            raise ValueError("diversity compares the interests of a request: add towers.interests, or leave it out")
        if unused := set(self.volume) - set(self.positives):
            raise ValueError(f"volume: {', '.join(sorted(unused))} is not among the positives")
        return self

    def stage_recipes(self) -> tuple["Recipe", ...]:
        """The stages as recipes without stages, rounds written out; the recipe itself where it has none."""
        if not self.stages:
            return (self,)
        recipes = []
        for stage in self.stages:
            given = {name: getattr(stage, name) for name in stage.model_fields_set - {"rounds"}}
            changes = {name: value for name, value in given.items() if value is not None}
            recipes += [self.model_copy(update={**changes, "stages": ()})] * stage.rounds
        return tuple(recipes)

    def learns_from_a_teacher(self) -> bool:
        return any(isinstance(stage.loss, MarginMSELoss) for stage in self.stage_recipes())

    @classmethod
    def load(cls, path: str | Path) -> "Recipe":
        """The recipe in the file at `path`, which may start from a shipped one: base.py. Raises ConfigError."""
        where = Path(path).name
        return parse_config(with_base(plain_yaml(read_text(path), where=where), where), cls, where=where)

    def plain(self) -> dict[str, Any]:
        """As recipe.yaml of a model: every default written out."""
        return self.model_dump(mode="json")


def _misfit(loss: Loss, negatives: Negatives) -> str | None:
    """What keeps a loss and negatives from being used together."""
    softmax = isinstance(loss, SoftmaxLoss)
    if negatives.log_q and not softmax:
        return "log_q corrects the logits of a softmax: set log_q: false, or its loss"
    if negatives.interpolated and not softmax:
        return "interpolated negatives are added to the denominator of a softmax: set interpolated: 0, or its loss"
    if isinstance(loss, MarginMSELoss) and not _only_shown(negatives):
        return (
            "margin_mse compares a positive with documents that its search showed, which a teacher scored: set "
            "negatives: {non_click: 4, random: 0, in_batch: false}"
        )
    if isinstance(loss, SoftmaxLoss) and loss.symmetric and not negatives.in_batch:
        return "symmetric compares a document with the other requests of the batch: set in_batch: true"
    return None


def _only_shown(negatives: Negatives) -> bool:
    others = negatives.random or negatives.in_batch or negatives.online_hard or negatives.mined or negatives.memory
    return bool(negatives.non_click and not others)
