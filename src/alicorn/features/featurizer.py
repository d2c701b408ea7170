"""How does a row become numbers? One function for training, for batch encoding and for a request being served.

A featurizer knows the features of one side (documents or requests) and nothing of the rows it has seen, except the
mean and deviation of numeric columns.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from alicorn.config import Config, parse_config
from alicorn.features.arrays import Channel, Features
from alicorn.features.dense import dense_rows
from alicorn.features.granular import GranularText, granular
from alicorn.features.ids import id_bags, multi_hot_bags
from alicorn.features.magnitude import LARGEST, LARGEST_FLOAT16, check_magnitude
from alicorn.features.numeric import Standardization, numeric_rows
from alicorn.features.pretrained import EncoderSettings, TextEncoder
from alicorn.features.sequences import sequences
from alicorn.features.text import OrderedText, TextSettings, text_bags, text_tokens
from alicorn.features.vectors import vector_lists
from alicorn.vertical import (
    DenseFeature,
    Feature,
    IdFeature,
    IdsFeature,
    NumericFeature,
    SequenceFeature,
    TextFeature,
    VectorsFeature,
)
from alicorn.vertical.columns import check_parallel, check_vector_lists, check_vectors, check_weights, read_as

_STRINGS = pa.large_list(pa.large_string())
_VECTORS = pa.large_list(pa.large_list(pa.float32()))


class Featurizer:
    """side: "documents" or "requests", for messages. features: of the vertical, those in use. buckets: of each feature
    that is read through a table; of a sequence, of `<feature>.<part>`. standardizations: of numeric
    features (numeric.py). encoded: channel -> the text feature that `encoder` reads for it. granular:
    channels that read a text feature in another way; its n-grams are not read then. ordered: channels of its tokens."""

    def __init__(
        self,
        side: str,
        features: Mapping[str, Feature],
        buckets: Mapping[str, int],
        text: TextSettings,
        standardizations: Mapping[str, Standardization],
        encoded: Mapping[str, TextFeature] | None = None,
        encoder: TextEncoder | None = None,
        granular: Mapping[str, GranularText] | None = None,
        ordered: Mapping[str, OrderedText] | None = None,
    ) -> None:
        self.side = side
        self.features = dict(features)
        self.buckets = dict(buckets)
        self.text = text
        self.standardizations = dict(standardizations)
        self.encoded = dict(encoded or {})
        self.encoder = encoder
        self.granular = dict(granular or {})
        self.ordered = dict(ordered or {})
        read = {**self.features, **self.encoded, **{name: text.feature for name, text in self.ordered.items()}}
        self.columns = [c for name, feature in read.items() for c in feature.columns(f"feature {name}")]

    def plain(self) -> dict[str, Any]:
        """As JSON, for a tower that is exported."""
        return {
            "side": self.side,
            "features": _dumped(self.features),
            "buckets": self.buckets,
            "text": self.text.model_dump(),
            "standardizations": _dumped(self.standardizations),
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
            parsed.buckets,
            parsed.text,
            parsed.standardizations,
            parsed.encoded,
            TextEncoder(parsed.encoder) if parsed.encoder else None,
            parsed.granular,
            parsed.ordered,
        )

    def transform(self, table: pa.Table) -> Features:
        """Features of every row. Raises TableError for a missing column, a wrong type, or an unreadable vector."""
        table = read_as(table, self.columns, self.side)
        otherwise = {wanted.name for wanted in self.granular.values()}
        plain = {name: feature for name, feature in self.features.items() if name not in otherwise}
        channels = {name: self._channel(name, feature, table) for name, feature in plain.items()}
        for name, wanted in self.granular.items():
            column = _whole(table[wanted.feature.column])
            texts = _as_texts(column) if wanted.granule == "lists" else _as_text(column)
            channels[name] = granular(texts, self.buckets[wanted.name], wanted)
        for name, text in self.ordered.items():
            channels[name] = text_tokens(_as_text(_whole(table[text.feature.column])), self.buckets[name], text)
        if self.encoder is not None:
            for name, feature in self.encoded.items():
                channels[name] = self.encoder.transform(_as_text(_whole(table[feature.column])))
        return Features(channels, len(table))

    def _channel(self, name: str, feature: Feature, table: pa.Table) -> Channel:
        if isinstance(feature, SequenceFeature):
            return self._sequences(name, feature, table)
        column = table[feature.column]
        match feature:
            case TextFeature():
                bags = text_bags(_as_text(_whole(column)), self.buckets[name], self.text)
                return bags.at_unit_length() if pa.types.is_list(column.type) else bags
            case IdFeature():
                return id_bags(_whole(column).cast(pa.large_string()), self.buckets[name])
            case IdsFeature():
                return multi_hot_bags(_whole(column).cast(_STRINGS), self._weights(feature, table), self.buckets[name])
            case DenseFeature():
                check_vectors(column, feature.dim, self.side, feature.column)
                check_magnitude(column, LARGEST, self.side, feature.column)
                return dense_rows(_whole(column), feature.dim)
            case VectorsFeature():
                check_vector_lists(column, feature.dim, self.side, feature.column)
                check_magnitude(column, LARGEST_FLOAT16, self.side, feature.column)
                return vector_lists(_whole(column).cast(_VECTORS), feature.dim)
            case NumericFeature():
                return numeric_rows(_whole(column), self.standardizations.get(name, Standardization()))

    def _sequences(self, name: str, feature: SequenceFeature, table: pa.Table) -> Channel:
        check_parallel({column: table[column] for column in feature.parts.values()}, self.side)
        parts = [_whole(table[column]).cast(_STRINGS) for column in feature.parts.values()]
        return sequences(parts, [self.buckets[f"{name}.{part}"] for part in feature.parts], feature.last)

    def _weights(self, feature: IdsFeature, table: pa.Table) -> pa.Array | None:
        if feature.weights is None:
            return None
        check_weights(table[feature.column], table[feature.weights], self.side, feature.weights)
        check_magnitude(table[feature.weights], LARGEST, self.side, feature.weights)
        return _whole(table[feature.weights])


class _Plain(Config):
    """The arguments of a Featurizer, as JSON has them."""

    side: str
    features: dict[str, Feature]
    buckets: dict[str, int]
    text: TextSettings
    standardizations: dict[str, Standardization]
    encoded: dict[str, TextFeature]
    encoder: EncoderSettings | None
    granular: dict[str, GranularText]
    ordered: dict[str, OrderedText]


def _dumped(configs: Mapping[str, Config]) -> dict[str, Any]:
    return {name: config.model_dump(mode="json") for name, config in configs.items()}


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """One array; of a column of one chunk, that chunk, uncopied."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


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
