"""A side of the fusion `concat` as arrays, without torch.

    y = W x + b + V relu(U x + c)      x: the channels, one beside the other;  the embedding is y / |y|

The arrays are those of the model, so that they cost no memory. Vectors are those of the torch module but for the
order of sums: within 1e-5.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from alicorn.features import Bag, Features
from alicorn.features.channel_id import ChannelId, Side
from alicorn.features.padded import bag_weights
from alicorn.features.requests import WeightedRows
from alicorn.towers.layout.layout import Half, Layout
from alicorn.towers.settings.tables import BucketTable
from alicorn.towers.settings.towers import Concat, Towers
from alicorn.towers.tables.sums import sum_bags
from alicorn.vertical import SequenceFeature


@dataclass(frozen=True, eq=False)
class ConcatArrays:
    """order: of the channels. tables: of those that are bags, float32 (rows, width). weight, bias: W, b.
    hidden: U, c and V, or None. Threads may share it."""

    order: tuple[ChannelId, ...]
    tables: Mapping[ChannelId, np.ndarray]
    weight: np.ndarray
    bias: np.ndarray
    hidden: tuple[np.ndarray, np.ndarray, np.ndarray] | None

    @classmethod
    def of(cls, towers: Towers, layout: Layout, side: Side, weights: Mapping[str, np.ndarray]) -> "ConcatArrays | None":
        """weights: by their names in the torch module (two_tower.py). None for another fusion, and where a network, a
        pretrained encoder or a hash reads a channel of the side."""
        half = layout.half(side)
        read = {table for tables in half.tables.values() for table in tables}
        if not isinstance(towers.fusion, Concat) or half.interests or not _is_plain(half):
            return None
        if not all(isinstance(layout.tables[table], BucketTable) for table in read):
            return None
        numbers = {table: number for number, table in enumerate(layout.tables)}
        tables = {channel: weights[f"tables.{numbers[name]}.weight"] for channel, (name,) in half.tables.items()}
        names = [f"{side}.{name}" for name in ("hidden.weight", "hidden.bias", "output.weight")]
        hidden = (weights[names[0]], weights[names[1]], weights[names[2]]) if names[0] in weights else None
        order = tuple(map(half.own, half.features))
        return cls(order, tables, weights[f"{side}.linear.weight"], weights[f"{side}.linear.bias"], hidden)

    def one(self, channels: Mapping[ChannelId, WeightedRows | np.ndarray]) -> np.ndarray:
        """float32 (dim,) of the channels of one row; a vector without a direction is not a number."""
        x = np.empty((1, self.weight.shape[1]), dtype=np.float32)
        start = 0
        for name in self.order:
            channel = channels[name]
            if isinstance(channel, tuple):
                rows, weights = channel
                start = self._add(x, start, name, np.array([0, len(rows)]), rows, weights)
            else:
                x[0, start : start + len(channel)] = channel
                start += len(channel)
        result: np.ndarray = self._fused(x)[0]
        return result

    def many(self, features: Features) -> np.ndarray:
        """float32 (rows, dim); likewise."""
        x = np.empty((len(features), self.weight.shape[1]), dtype=np.float32)
        start = 0
        for name in self.order:
            channel = features.channels[name]
            if isinstance(channel, Bag):
                start = self._add(x, start, name, channel.offsets, channel.indices, bag_weights(channel))
            else:
                assert isinstance(channel, np.ndarray)
                x[:, start : start + channel.shape[1]] = channel
                start += channel.shape[1]
        return self._fused(x)

    def _add(
        self, x: np.ndarray, start: int, name: ChannelId, offsets: np.ndarray, rows: np.ndarray, weights: np.ndarray
    ) -> int:
        """Write the sums of a channel's bags beside the channels before it. Returns where the next one begins."""
        table = self.tables[name]
        sum_bags(table, offsets, rows, weights, x, start)
        end: int = start + table.shape[1]
        return end

    def _fused(self, x: np.ndarray) -> np.ndarray:
        y = x @ self.weight.T + self.bias
        if self.hidden is not None:
            hidden, threshold, output = self.hidden
            y += np.maximum(x @ hidden.T + threshold, 0) @ output.T
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            result: np.ndarray = y / np.sqrt(np.einsum("rd,rd->r", y, y))[:, None]
        return result


def _is_plain(half: Half) -> bool:
    """Whether every channel is a bag of rows, a vector or a number, read as it is."""
    sequences = any(isinstance(feature, SequenceFeature) for feature in half.features.values())
    return not (half.owners or half.encoded or half.granular or half.ordered or sequences)
