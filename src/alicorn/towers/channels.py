"""A featurised batch as tensors, channel by channel: what an encoder reads. Used by unified.py and training/.

Bag: the weighted sum of table rows (papers.md 1.1). Without weights of its own a bag of n entries is divided by
sqrt(n): its length then does not depend on n, as a mean's would. Dense and numeric features pass as they are.
"""

import numpy as np
import torch
from torch import Tensor

from alicorn.features import Bag, Features

BagTensors = tuple[Tensor, Tensor, Tensor]  # indices int32, offsets int32 (bags,), weights float32
Batch = dict[str, BagTensors | Tensor]


def batch_tensors(features: Features, device: torch.device | str = "cpu") -> Batch:
    """A featurised batch as tensors: what an encoder reads."""
    return {name: _tensors(channel, device) for name, channel in features.channels.items()}


def _tensors(channel: Bag | np.ndarray, device: torch.device | str) -> BagTensors | Tensor:
    if isinstance(channel, np.ndarray):
        return _tensor(channel, device)
    weights = channel.weights
    if weights is None:
        sizes = np.diff(channel.offsets)
        weights = np.repeat(1.0 / np.sqrt(np.maximum(sizes, 1), dtype=np.float32), sizes)
    starts = channel.offsets[:-1].astype(np.int32)
    return _tensor(channel.indices, device), _tensor(starts, device), _tensor(weights, device)


def _tensor(array: np.ndarray, device: torch.device | str) -> Tensor:
    """Without a copy where the array may be written to; torch refuses to share others."""
    return torch.from_numpy(array if array.flags.writeable else array.copy()).to(device, non_blocking=True)
