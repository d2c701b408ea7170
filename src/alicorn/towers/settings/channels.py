"""How one channel is read, where a recipe says so: the kinds of `towers.channels`.

    channels:
      document.price: {kind: autodis, count: 20, dim: 16}           # a number as a soft mixture: numbers.py
      document.age: {kind: bins, count: 20, dim: 16}                # or as one of 20 bins
      document.images: {kind: deep_set, width: 64}                  # vectors in no order: deep_set.py
      request.text: {kind: transformer, layers: 2, heads: 4, dim: 128}    # beside its n-grams: transformer.py
      document.name: {kind: shared, channel: request.text}          # the same network on both sides

A feature of kind `vectors` is read by a deep set of the default size unless it is named; other features that are not
named are read as vectors.py says. A text feature that is named has a channel more, `text@transformer`, whether
or not towers.features has its n-grams too.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from alicorn.config import Config


class AutoDis(Config):
    """numbers.py. count: of meta-embeddings (H of the paper). temperature: tune it; codebases have 0.1 and 0.00001.
    skip: the factor alpha of the path around the mixing matrix."""

    kind: Literal["autodis"]
    count: Annotated[int, Field(ge=2)] = 20
    dim: PositiveInt = 16
    temperature: Annotated[float, Field(gt=0)] = 0.1
    skip: Annotated[float, Field(ge=0)] = 0.8


class Bins(Config):
    """numbers.py. count: of bins, equally likely where the numbers are normal."""

    kind: Literal["bins"]
    count: Annotated[int, Field(ge=2)] = 20
    dim: PositiveInt = 16


class DeepSetSettings(Config):
    """deep_set.py. width: of both networks, and of the vector."""

    kind: Literal["deep_set"] = "deep_set"
    width: PositiveInt = 64


class Transformer(Config):
    """transformer.py. tokens: words, or the character trigrams that n-grams are made of, which bear misspelling.
    max_tokens: the rest of a text is cut."""

    kind: Literal["transformer"]
    layers: PositiveInt = 2
    heads: PositiveInt = 4
    dim: PositiveInt = 128
    max_tokens: PositiveInt = 32
    tokens: Literal["words", "trigrams"] = "words"

    @model_validator(mode="after")
    def _check(self) -> "Transformer":
        if self.dim % self.heads:
            raise ValueError(f"{self.heads} heads do not divide dim, {self.dim}: take a multiple")
        return self


class Shared(Config):
    """The network of another channel, as `request.text`, learned from both."""

    kind: Literal["shared"]
    channel: str


Network = AutoDis | Bins | DeepSetSettings | Transformer
ChannelSettings = Annotated[Network | Shared, Field(discriminator="kind")]
