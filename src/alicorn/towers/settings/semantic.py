"""The fusion `semantic`: the towers of MGDSPR. What it reads of both sides.

    towers:
      fusion:
        kind: semantic
        query: text                  # text feature of the request, read at several granularities
        past_queries: past_queries   # text feature of a list of texts, the last one the newest; or left out
        realtime: realtime           # sequence features, each may be left out: LSTM and self-attention
        short: short                 # self-attention
        long: long                   # one list for each part; with `kinds` of means, one for each kind
        kinds: [click, bought]       # values of the part `kind` of `long`
        title: title                 # text feature of the document
        segmenter: words             # or jieba: features/kinds/granular.py

All other features are channels as in any fusion: of a request one token more each, of a document a part of e.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from alicorn.config import Config, did_you_mean
from alicorn.errors import ConfigError
from alicorn.features.channel_id import ChannelId, Side
from alicorn.features.kinds.granular import GranularText, Granule, Segmenter, check_segmenter
from alicorn.vertical import Feature, SequenceFeature, TextFeature

Granularity = Literal["unigrams", "bigrams", "segments", "sequence", "history"]
GRANULARITIES: tuple[Granularity, ...] = ("unigrams", "bigrams", "segments", "sequence", "history")
_KIND = "kind"


class Semantic(Config):
    """granularities: of the query; without `past_queries` there is no history. newest_queries: so many past ones are
    read. heads: of every self-attention, layers: of every Transformer (MGDSPR: 8 heads).

    pool: what becomes of the tokens, the [CLS] token of a Transformer, or their mean. zero_vector: whether a query may
    leave out all behaviour. dropout: between the layers of the LSTM.
    """

    kind: Literal["semantic"]
    query: str = "text"
    past_queries: str | None = None
    realtime: str | None = None
    short: str | None = None
    long: str | None = None
    kinds: tuple[str, ...] = ()
    title: str = "title"
    segmenter: Segmenter = "words"
    granularities: Annotated[tuple[Granularity, ...], Field(min_length=1)] = GRANULARITIES
    newest_queries: PositiveInt = 10
    heads: PositiveInt = 8
    layers: PositiveInt = 1
    pool: Literal["cls", "mean"] = "cls"
    zero_vector: bool = True
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2

    @model_validator(mode="after")
    def _check(self) -> "Semantic":
        if self.kinds and self.long is None:
            raise ValueError("kinds are those of long behaviour: name its feature as long")
        if not self.chosen:
            raise ValueError("granularities: history alone reads past queries: name their feature as past_queries")
        return self

    @property
    def chosen(self) -> tuple[Granularity, ...]:
        """The granularities that there is something to read for."""
        return tuple(name for name in self.granularities if name != "history" or self.past_queries is not None)

    def texts(self, side: Side, features: Mapping[str, Feature]) -> dict[ChannelId, GranularText]:
        """The channels that text is read by, one for each granule. Raises ConfigError for what does not fit."""
        if side == "document":
            return self._granular(side, "title", self.title, ("segments",), features)
        self._check_sequences(features)
        of_query: list[Granule] = [name for name in ("unigrams", "bigrams") if name in self.chosen]
        channels = self._granular(side, "query", self.query, (*of_query, "sequence"), features)
        if self.past_queries is not None:
            channels |= self._granular(side, "past_queries", self.past_queries, ("lists",), features)
        return channels

    def _granular(
        self, side: Side, key: str, name: str, granules: tuple[Granule, ...], features: Mapping[str, Feature]
    ) -> dict[ChannelId, GranularText]:
        feature = _named(key, name, features)
        if not isinstance(feature, TextFeature):
            raise ConfigError(f"recipe, towers.fusion.{key}: '{name}' is {feature.kind}: it must be text")
        check_segmenter(self.segmenter)
        return {
            ChannelId(side, name, granule): GranularText(
                feature=feature, granule=granule, segmenter=self.segmenter, newest=self.newest_queries
            )
            for granule in granules
        }

    def _check_sequences(self, features: Mapping[str, Feature]) -> None:
        for key in ("realtime", "short", "long"):
            if (name := getattr(self, key)) is None:
                continue
            feature = _named(key, name, features)
            if not isinstance(feature, SequenceFeature):
                raise ConfigError(f"recipe, towers.fusion.{key}: '{name}' is {feature.kind}: it must be a sequence")
            if key == "long" and self.kinds and (_KIND not in feature.parts or len(feature.parts) == 1):
                raise ConfigError(
                    f"recipe, towers.fusion.kinds: the sequence '{name}' needs a part `{_KIND}` beside others, it has "
                    f"{', '.join(feature.parts)}"
                )

    def check_width(self, dim: int) -> None:
        """Raises ConfigError where the heads do not divide the dimension of an embedding."""
        if dim % self.heads:
            raise ConfigError(f"recipe, towers.fusion.heads: {self.heads} heads do not divide towers.dim, {dim}")


def _named(key: str, name: str, features: Mapping[str, Feature]) -> Feature:
    if name not in features:
        raise ConfigError(
            f"recipe, towers.fusion.{key}: that side reads no feature '{name}'; {did_you_mean(name, list(features))}"
            f"features: {', '.join(features)}"
        )
    return features[name]
