"""A featurised batch as tensors, channel by channel: what an encoder reads.

Bag: the weighted sum of table rows (EBR 2.3). Without weights of its own a bag of n entries is divided by
sqrt(n): its length then does not depend on n, as a mean's would. Dense and numeric features pass as they are. Tokens
and sequences are padded to the longest row.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from alicorn.features import Features, Sequences, Tokens
from alicorn.features.arrays import Channel
from alicorn.features.channel_id import ChannelId
from alicorn.features.padded import bag_weights, padded_rows


class BagTensors(NamedTuple):
    """indices: int32 (entries,). offsets: int32 (bags,), where each bag starts. weights: float32 (entries,)."""

    indices: Tensor
    offsets: Tensor
    weights: Tensor


class PaddedBag(NamedTuple):
    """A bag as matrices, for an exported tower. ids: int64 (rows, longest). weights: float32, 0 behind a row's end."""

    ids: Tensor
    weights: Tensor


class TokenTensors(NamedTuple):
    """hidden: float32 (rows, longest, width), zero behind a row's end. lengths: int64 (rows,)."""

    hidden: Tensor
    lengths: Tensor

    def take(self, rows: Tensor) -> "TokenTensors":
        """The given rows, cut to the longest of them."""
        lengths = self.lengths[rows]
        return TokenTensors(self.hidden[rows, : max(1, int(lengths.max()))], lengths)


class SequenceTensors(NamedTuple):
    """ids: int32 (rows, longest, parts), 0 for nothing and behind a row's end. lengths: int64 (rows,). Oldest first."""

    ids: Tensor
    lengths: Tensor

    def take(self, rows: Tensor) -> "SequenceTensors":
        """The given rows, cut to the longest of them."""
        lengths = self.lengths[rows]
        return SequenceTensors(self.ids[rows, : max(1, int(lengths.max()))], lengths)


ChannelTensors = BagTensors | PaddedBag | TokenTensors | SequenceTensors | Tensor
Batch = dict[ChannelId, ChannelTensors]


def batch_tensors(features: Features, device: torch.device | str = "cpu") -> Batch:
    """A featurised batch as tensors: what an encoder reads."""
    return {name: _tensors(channel, device) for name, channel in features.channels.items()}


def _tensors(channel: Channel, device: torch.device | str) -> ChannelTensors:
    if isinstance(channel, np.ndarray):
        return _tensor(channel, device)
    if isinstance(channel, Tokens):
        hidden = padded_rows(channel.offsets, channel.vectors, np.float32)
        return TokenTensors(_tensor(hidden, device), _tensor(np.diff(channel.offsets), device))
    if isinstance(channel, Sequences):
        ids = padded_rows(channel.offsets, channel.ids, np.int32)
        return SequenceTensors(_tensor(ids, device), _tensor(np.diff(channel.offsets), device))
    starts = channel.offsets[:-1].astype(np.int32)
    return BagTensors(_tensor(channel.indices, device), _tensor(starts, device), _tensor(bag_weights(channel), device))


def _tensor(array: np.ndarray, device: torch.device | str) -> Tensor:
    """Without a copy where the array may be written to; torch refuses to share others."""
    return torch.from_numpy(array if array.flags.writeable else array.copy()).to(device, non_blocking=True)
