"""The recipe's section that says where negatives come from: `negatives`. Part of recipe.py; the sources: negatives/.

negatives: {random: 1024, in_batch: true, online_hard: 0, non_click: 0, log_q: false}     # the defaults
negatives: {random: 0, log_q: true}                                                       # in-batch, corrected
negatives: {random: 8192, log_q: true}                                                    # mixed negative sampling
negatives: {random: 0, log_q: true, memory: {size: 2432, warm_up: 40000}}                 # cross-batch (CBNS)
negatives: {random: 684, in_batch: false, interpolated: 100}                              # generated (MGDSPR)
"""

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from alicorn.config import Config

Count = Annotated[int, Field(ge=0)]


class Mined(Config):
    """Offline hard negatives: documents that the model ranks for the request, though not at the very top.

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


class MemorySettings(Config):
    """Embeddings of past batches (negatives/memory.py). size: how many. warm_up: batches of the stage before they count
    as negatives, so that the towers no longer move much; CBNS warmed up for 40,000."""

    size: PositiveInt = 2432
    warm_up: Count = 1000


class Streaming(Config):
    """log_q estimated from a stream (negatives/frequency.py) instead of counted beforehand. rate: of the moving mean of
    gaps, 0.01-0.05 in public code. slots: of each hash array. hashes: how many of those."""

    rate: Annotated[float, Field(gt=0, lt=1)] = 0.01
    slots: PositiveInt = 1 << 18
    hashes: PositiveInt = 2


class Negatives(Config):
    """Where negatives come from; sources add up.

    random: documents per batch, shared by its requests. in_batch: every other positive of the batch. online_hard: only
    so many most similar ones of those. non_click: documents of the same search that were shown and not clicked, per
    positive. mined: offline hard negatives. memory: positives of past batches. interpolated: so many made for each
    request by mixing its hardest negatives with its positive, where the loss is a softmax. log_q: subtract from a logit
    how often its document is drawn, as counted, or as estimated where there is `streaming`.
    """

    random: Count = 1024
    in_batch: bool = True
    online_hard: Count = 0
    non_click: Count = 0
    mined: Mined | None = None
    memory: MemorySettings | None = None
    interpolated: Count = 0
    log_q: bool = False
    streaming: Streaming | None = None

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
        if self.streaming and not self.log_q:
            raise ValueError("streaming says how log_q is estimated: set log_q: true, or leave it out")
        return self

    def num_easy(self, batch: int) -> int:
        """Negatives of one request that are not chosen for being hard."""
        remembered = self.memory.size if self.memory else 0
        return self.random + (batch - 1 if self.in_batch else 0) + self.non_click + remembered

    def num_popular(self, batch: int) -> int:
        """Columns of a batch that are drawn as positives are: its own, and those of past batches."""
        return batch + (self.memory.size if self.memory else 0)
