"""A featurised batch as plain matrices, each row padded to the longest: what an exported tower reads.

Of each channel, by name: a bag `ids` and `weights`, (rows, longest), weight 0 behind a row's end; a sequence `ids`,
(rows, longest, parts), and `lengths`; tokens `hidden`, (rows, longest, width), and `lengths`; others `values`. Integers
are int64. Fed by towers/export/; towers/channels/tensors.py pads alike.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from alicorn.features.arrays import Bag, Channel, Features, Sequences, Tokens
from alicorn.features.channel_id import ChannelId


class Input(NamedTuple):
    """An input of an exported tower: a part of a channel."""

    channel: ChannelId
    part: str

    def __str__(self) -> str:
        return f"{self.channel.name}.{self.part}"


def padded(features: Features, least: Mapping[ChannelId, int] | None = None) -> dict[Input, np.ndarray]:
    """In the order of the channels. least: places that the rows of a channel have at least."""
    return {
        Input(channel_id, part): values
        for channel_id, channel in features.channels.items()
        for part, values in _parts(channel, (least or {}).get(channel_id, 1)).items()
    }


def padded_rows(offsets: np.ndarray, values: np.ndarray, dtype: type, least: int = 1) -> np.ndarray:
    """(rows, longest, ...): each row's values, (entries, ...), zero behind its end; longest is `least` at least."""
    lengths = np.diff(offsets)
    rows = np.zeros((len(lengths), max(least, lengths.max(initial=0)), *values.shape[1:]), dtype=dtype)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = values
    return rows


def bag_weights(bag: Bag) -> np.ndarray:
    """float32 (entries,): the bag's own, or 1 / sqrt(n) for each of n entries, so that n does not decide its length."""
    if bag.weights is not None:
        return bag.weights
    sizes = np.diff(bag.offsets)
    return np.repeat(1.0 / np.sqrt(np.maximum(sizes, 1), dtype=np.float32), sizes)


def _parts(channel: Channel, least: int) -> dict[str, np.ndarray]:
    match channel:
        case Bag():
            return {
                "ids": padded_rows(channel.offsets, channel.indices, np.int64, least),
                "weights": padded_rows(channel.offsets, bag_weights(channel), np.float32, least),
            }
        case Sequences():
            ids = padded_rows(channel.offsets, channel.ids, np.int64, least)
            return {"ids": ids, "lengths": np.diff(channel.offsets)}
        case Tokens():
            hidden = padded_rows(channel.offsets, channel.vectors, np.float32, least)
            return {"hidden": hidden, "lengths": np.diff(channel.offsets)}
        case _:
            return {"values": channel}
