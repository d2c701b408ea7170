"""Requests one by one: a query, values of its context, and a searcher of a table that was featurised ahead. No table is
made of a request.

The numbers are those of `Featurizer.transform` over a table of the query, the context and the searcher's columns.
"""

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa

from alicorn.features.arrays import Bag
from alicorn.features.channel_id import ChannelId
from alicorn.features.featurizer import Featurizer
from alicorn.features.kinds.text import text_bag
from alicorn.features.padded import bag_weights
from alicorn.vertical.features import Feature, SequenceFeature, TextFeature, VectorsFeature

QUERY = "query"
"""The column of what was typed."""

WeightedRows = tuple[np.ndarray, np.ndarray]
"""A bag of one request: the rows of a table, int32 (entries,), and their weights, float32 (entries,)."""


class RequestFeatures:
    """What a request tower reads of a query, of its context, and of a row of a table of searchers."""

    def __init__(self, featurizer: Featurizer, searchers: pa.Table, context: Collection[str] = ()) -> None:
        """searchers: the columns of searchers that the features read. context: names of the columns that come with a
        request. Raises TableError as `Featurizer.transform`."""
        self._featurizer = featurizer
        own = {ChannelId(featurizer.side, name): feature for name, feature in featurizer.features.items()}
        typed = {channel: feature for channel, feature in own.items() if _columns(feature) == {QUERY}}
        self._buckets = {channel: featurizer.buckets[channel][0] for channel in typed}
        self._around = {channel: feature for channel, feature in own.items() if _columns(feature) <= {*context}}
        known = {c.feature: feature for c, feature in own.items() if c not in typed and c not in self._around}
        rows = Featurizer(featurizer.side, known, featurizer.buckets, featurizer.text, featurizer.standardizations)
        found = rows.transform(searchers).channels
        self._bags = {channel: bag for channel, bag in found.items() if isinstance(bag, Bag)}
        self._weights = {channel: bag_weights(bag) for channel, bag in self._bags.items()}
        self._values = {channel: values for channel, values in found.items() if isinstance(values, np.ndarray)}

    @staticmethod
    def reads(featurizer: Featurizer, columns: Collection[str], context: Collection[str] = ()) -> bool:
        """Whether all of a featurizer's channels are bags, vectors or numbers, each of the query's text alone, of these
        columns of searchers, or of the context."""
        if featurizer.granular or featurizer.ordered or featurizer.encoded:
            return False
        return all(
            not isinstance(feature, SequenceFeature | VectorsFeature)
            and (
                (isinstance(feature, TextFeature) and _columns(feature) == {QUERY})
                or _columns(feature) <= {*context}
                or _columns(feature) <= {*columns}
            )
            for feature in featurizer.features.values()
        )

    def one(self, query: str, row: int, context: Mapping[str, pa.Array]) -> dict[ChannelId, WeightedRows | np.ndarray]:
        """The channels of a request; vectors and numbers as float32 (width,). row: the searcher's. context: its
        columns, of one row each, in the types in which their features read them."""
        channels: dict[ChannelId, WeightedRows | np.ndarray] = {}
        for channel, buckets in self._buckets.items():
            indices = text_bag(query, buckets, self._featurizer.text)
            channels[channel] = indices, np.full(len(indices), max(len(indices), 1) ** -0.5, dtype=np.float32)
        around = {name: pa.chunked_array([column]) for name, column in context.items()}
        for channel, feature in self._around.items():
            found = self._featurizer.channel(channel, feature, around)
            if isinstance(found, Bag):
                channels[channel] = found.indices, bag_weights(found)
            elif isinstance(found, np.ndarray):
                channels[channel] = found[0]
        for channel, bag in self._bags.items():
            start, end = bag.offsets[row], bag.offsets[row + 1]
            channels[channel] = bag.indices[start:end], self._weights[channel][start:end]
        for channel, values in self._values.items():
            channels[channel] = values[row]
        return channels


def _columns(feature: Feature) -> set[str]:
    return {column.name for column in feature.columns("")}
