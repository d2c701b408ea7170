"""How does a row become numbers? One function for training, for batch encoding and for a request being served.

A featurizer knows the features of one side (documents or requests) and nothing of the rows it has seen, except the
mean and deviation of numeric columns.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from alicorn.config import Config, parse_config
from alicorn.features.arrays import Channel, Features
from alicorn.features.channel_id import ChannelId, Side
from alicorn.features.kinds.dense import dense_rows
from alicorn.features.kinds.granular import GranularText, granular
from alicorn.features.kinds.ids import id_bags, multi_hot_bags
from alicorn.features.kinds.magnitude import LARGEST, LARGEST_FLOAT16, check_magnitude
from alicorn.features.kinds.numeric import Standardization, numeric_rows
from alicorn.features.kinds.sequences import sequences
from alicorn.features.kinds.text import OrderedText, TextSettings, text_bags, text_tokens
from alicorn.features.kinds.vectors import vector_lists
from alicorn.features.pretrained import EncoderSettings, TextEncoder
from alicorn.tables import one_chunk
from alicorn.vertical.columns import check_parallel, check_vector_lists, check_vectors, check_weights, read_as
from alicorn.vertical.features import (
    DenseFeature,
    Feature,
    IdFeature,
    IdsFeature,
    NumericFeature,
    SequenceFeature,
    TextFeature,
    VectorsFeature,
)

V = TypeVar("V")
_STRINGS = pa.large_list(pa.large_string())
_VECTORS = pa.large_list(pa.large_list(pa.float32()))


class Featurizer:
    """Of one side. features: of the vertical, those in use, by name. buckets: of each channel that is read through
    tables, the size of each; a sequence has one for each part, other channels have one. standardizations: of numeric
    features (numeric.py). encoded: the channels that `encoder` reads. granular: channels that read a text feature in
    another way; its n-grams are not read then. ordered: channels of a text's tokens.

    names: of all features that are read. columns: that they read."""

    def __init__(
        self,
        side: Side,
        features: Mapping[str, Feature],
        buckets: Mapping[ChannelId, tuple[int, ...]],
        text: TextSettings,
        standardizations: Mapping[str, Standardization],
        encoded: Mapping[ChannelId, TextFeature] | None = None,
        encoder: TextEncoder | None = None,
        granular: Mapping[ChannelId, GranularText] | None = None,
        ordered: Mapping[ChannelId, OrderedText] | None = None,
    ) -> None:
        self.side = side
        self.table = f"{side}s"  # in messages
        self.features = dict(features)
        self.buckets = dict(buckets)
        self.text = text
        self.standardizations = dict(standardizations)
        self.encoded = dict(encoded or {})
        self.encoder = encoder
        self.granular = dict(granular or {})
        self.ordered = dict(ordered or {})
        read: list[tuple[str, Feature]] = [*self.features.items()]
        read += [(channel.name, feature) for channel, feature in self.encoded.items()]
        read += [(channel.name, text.feature) for channel, text in self.ordered.items()]
        channels = (*self.encoded, *self.granular, *self.ordered)
        self.names = tuple(dict.fromkeys((*self.features, *(channel.feature for channel in channels))))
        self.columns = [c for name, feature in read for c in feature.columns(f"feature {name}")]

    def plain(self) -> dict[str, Any]:
        """As JSON, for a tower that is exported."""
        return {
            "side": self.side,
            "features": {name: feature.model_dump(mode="json") for name, feature in self.features.items()},
            "buckets": {channel.name: sizes for channel, sizes in self.buckets.items()},
            "text": self.text.model_dump(),
            "standardizations": {name: one.model_dump() for name, one in self.standardizations.items()},
            "encoded": _dumped(self.encoded),
            "encoder": self.encoder.settings.model_dump(mode="json") if self.encoder else None,
            "granular": _dumped(self.granular),
            "ordered": _dumped(self.ordered),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Featurizer":
        """The featurizer that `plain` was taken from. Raises ConfigError."""
        parsed = parse_config(dict(plain), _Plain, where="featurizer")
        return cls(
            parsed.side,
            parsed.features,
            _by_channel(parsed.side, {name: tuple(sizes) for name, sizes in parsed.buckets.items()}),
            parsed.text,
            parsed.standardizations,
            _by_channel(parsed.side, parsed.encoded),
            TextEncoder(parsed.encoder) if parsed.encoder else None,
            _by_channel(parsed.side, parsed.granular),
            _by_channel(parsed.side, parsed.ordered),
        )

    def transform(self, table: pa.Table) -> Features:
        """Features of every row. Raises TableError for a missing column, a wrong type, or an unreadable vector."""
        table = read_as(table, self.columns, self.table)
        otherwise = {channel.feature for channel in self.granular}
        own = {ChannelId(self.side, name): f for name, f in self.features.items() if name not in otherwise}
        channels = {channel: self.channel(channel, feature, table) for channel, feature in own.items()}
        for channel, wanted in self.granular.items():
            column = one_chunk(table[wanted.feature.column])
            texts = _as_texts(column) if wanted.granule == "lists" else _as_text(column)
            channels[channel] = granular(texts, self.buckets[channel][0], wanted)
        for channel, text in self.ordered.items():
            column = _as_text(one_chunk(table[text.feature.column]))
            channels[channel] = text_tokens(column, self.buckets[channel][0], text)
        if self.encoder is not None:
            for channel, feature in self.encoded.items():
                channels[channel] = self.encoder.transform(_as_text(one_chunk(table[feature.column])))
        return Features(channels, len(table))

    def channel(self, channel: ChannelId, feature: Feature, table: Mapping[str, pa.ChunkedArray]) -> Channel:
        """One of its features, of a table whose columns have the types in which they are read. Raises TableError for an
        unreadable vector or weight."""
        if isinstance(feature, SequenceFeature):
            return self._sequences(channel, feature, table)
        column = table[feature.column]
        match feature:
            case TextFeature():
                bags = text_bags(_as_text(one_chunk(column)), self.buckets[channel][0], self.text)
                return bags.at_unit_length() if pa.types.is_list(column.type) else bags
            case IdFeature():
                return id_bags(one_chunk(column).cast(pa.large_string()), self.buckets[channel][0])
            case IdsFeature():
                return multi_hot_bags(
                    one_chunk(column).cast(_STRINGS), self._weights(feature, table), self.buckets[channel][0]
                )
            case DenseFeature():
                check_vectors(column, feature.dim, self.table, feature.column)
                check_magnitude(column, LARGEST, self.table, feature.column)
                return dense_rows(one_chunk(column), feature.dim)
            case VectorsFeature():
                check_vector_lists(column, feature.dim, self.table, feature.column)
                check_magnitude(column, LARGEST_FLOAT16, self.table, feature.column)
                return vector_lists(one_chunk(column).cast(_VECTORS), feature.dim)
            case NumericFeature():
                return numeric_rows(one_chunk(column), self.standardizations.get(channel.feature, Standardization()))

    def _sequences(self, channel: ChannelId, feature: SequenceFeature, table: Mapping[str, pa.ChunkedArray]) -> Channel:
        check_parallel({column: table[column] for column in feature.parts.values()}, self.table)
        parts = [one_chunk(table[column]).cast(_STRINGS) for column in feature.parts.values()]
        return sequences(parts, self.buckets[channel], feature.last)

    def _weights(self, feature: IdsFeature, table: Mapping[str, pa.ChunkedArray]) -> pa.Array | None:
        if feature.weights is None:
            return None
        check_weights(table[feature.column], table[feature.weights], self.table, feature.weights)
        check_magnitude(table[feature.weights], LARGEST, self.table, feature.weights)
        return one_chunk(table[feature.weights])


class _Plain(Config):
    """The arguments of a Featurizer, as JSON has them."""

    side: Side
    features: dict[str, Feature]
    buckets: dict[str, list[int]]
    text: TextSettings
    standardizations: dict[str, Standardization]
    encoded: dict[str, TextFeature]
    encoder: EncoderSettings | None
    granular: dict[str, GranularText]
    ordered: dict[str, OrderedText]


def _dumped(configs: Mapping[ChannelId, Config]) -> dict[str, Any]:
    return {channel.name: config.model_dump(mode="json") for channel, config in configs.items()}


def _by_channel(side: Side, values: Mapping[str, V]) -> dict[ChannelId, V]:
    return {ChannelId.of_name(side, name): value for name, value in values.items()}


def _as_text(column: pa.Array) -> pa.Array:
    """large_string; a list of strings is its members, one blank apart."""
    if not pa.types.is_list(column.type):
        return column.cast(pa.large_string())
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(column), 0).cast(pa.int64()))
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends])
    members = pc.fill_null(column.flatten().cast(pa.large_string()), "")
    return pc.binary_join(pa.LargeListArray.from_arrays(offsets, members), pa.scalar(" ", pa.large_string()))


def _as_texts(column: pa.Array) -> pa.Array:
    """large_list<large_string>; a string is a list of one."""
    if pa.types.is_list(column.type):
        return column.cast(_STRINGS)
    return pa.LargeListArray.from_arrays(pa.array(range(len(column) + 1), pa.int64()), column.cast(pa.large_string()))
