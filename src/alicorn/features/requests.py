"""Requests one by one: a query, values of its context, and a searcher of a table that was featurised ahead. No table is
made of a request.

The numbers are those of `Featurizer.transform` over a table of the query, the context and the searcher's columns.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.features.arrays import Bag
from alicorn.features.channel_id import ChannelId
from alicorn.features.featurizer import Featurizer
from alicorn.features.kinds.ids import hashed_id
from alicorn.features.kinds.numeric import Standardization, numeric_rows
from alicorn.features.kinds.text import text_bag
from alicorn.features.padded import bag_weights
from alicorn.vertical.features import (
    Feature,
    IdFeature,
    NumericFeature,
    SequenceFeature,
    TextFeature,
    VectorsFeature,
)

QUERY = "query"
"""The column of what was typed."""

WeightedRows = tuple[np.ndarray, np.ndarray]
"""A bag of one request: the rows of a table, int32 (entries,), and their weights, float32 (entries,)."""


class RequestFeatures:
    """What a request tower reads of a query, of its context, and of a row of a table of searchers."""

    def __init__(self, featurizer: Featurizer, searchers: pa.Table, context: Collection[str] = ()) -> None:
        """searchers: the columns of searchers that the features read. context: names of the columns that come with a
        request. Raises TableError as `Featurizer.transform`."""
        self._text = featurizer.text
        own = {ChannelId(featurizer.side, name): feature for name, feature in featurizer.features.items()}
        typed = {channel: feature for channel, feature in own.items() if _columns(feature) == {QUERY}}
        self._buckets = {channel: featurizer.buckets[channel][0] for channel in typed}
        around = {channel: feature for channel, feature in own.items() if _columns(feature) <= {*context}}
        self._ids = [(c, f.column, featurizer.buckets[c][0]) for c, f in around.items() if isinstance(f, IdFeature)]
        self._numbers = [
            (channel, feature.column, featurizer.standardizations.get(channel.feature, Standardization()))
            for channel, feature in around.items()
            if isinstance(feature, NumericFeature)
        ]
        known = {c.feature: feature for c, feature in own.items() if c not in typed and c not in around}
        rows = Featurizer(featurizer.side, known, featurizer.buckets, featurizer.text, featurizer.standardizations)
        found = rows.transform(searchers).channels
        self._bags = {channel: bag for channel, bag in found.items() if isinstance(bag, Bag)}
        self._weights = {channel: bag_weights(bag) for channel, bag in self._bags.items()}
        self._values = {channel: values for channel, values in found.items() if isinstance(values, np.ndarray)}

    @staticmethod
    def reads(featurizer: Featurizer, columns: Collection[str], context: Collection[str] = ()) -> bool:
        """Whether all of a featurizer's channels are bags, vectors or numbers, each of the query's text alone, of these
        columns of searchers, or an id or a number of the context."""
        if featurizer.granular or featurizer.ordered or featurizer.encoded:
            return False
        known = {*columns}
        return all(
            not isinstance(feature, SequenceFeature | VectorsFeature)
            and (
                (isinstance(feature, TextFeature) and _columns(feature) == {QUERY})
                or (isinstance(feature, IdFeature | NumericFeature) and _columns(feature) <= {*context})
                or _columns(feature) <= known
            )
            for feature in featurizer.features.values()
        )

    def one(
        self, query: str, row: int, context: Mapping[str, Any] | None = None
    ) -> dict[ChannelId, WeightedRows | np.ndarray]:
        """The channels of a request; vectors and numbers as float32 (width,). row: the searcher's. context: the values
        of its columns; one that is missing is unknown, as None."""
        channels: dict[ChannelId, WeightedRows | np.ndarray] = {}
        for channel, buckets in self._buckets.items():
            indices = text_bag(query, buckets, self._text)
            channels[channel] = indices, np.full(len(indices), max(len(indices), 1) ** -0.5, dtype=np.float32)
        given = context or {}
        for channel, column, size in self._ids:
            value = given.get(column)
            indices = np.array([hashed_id(value, size)] if value else [], dtype=np.int32)
            channels[channel] = indices, np.ones(len(indices), dtype=np.float32)
        for channel, column, standardization in self._numbers:
            channels[channel] = numeric_rows(pa.array([given.get(column)], pa.float64()), standardization)[0]
        for channel, bag in self._bags.items():
            start, end = bag.offsets[row], bag.offsets[row + 1]
            channels[channel] = bag.indices[start:end], self._weights[channel][start:end]
        for channel, values in self._values.items():
            channels[channel] = values[row]
        return channels


def _columns(feature: Feature) -> set[str]:
    return {column.name for column in feature.columns("")}
