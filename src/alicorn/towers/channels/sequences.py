"""What happened one after another, as vectors: elements through the tables of their parts."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from alicorn.towers.channels.tensors import SequenceTensors


def element_vectors(channel: SequenceTensors, tables: Sequence[nn.Module]) -> Tensor:
    """(rows, longest, width): of each element its parts one beside the other; a part without a value is zero.

    tables: of each part, an EmbeddingTable. width: the sum of their dimensions.
    """
    rows, longest, _ = channel.ids.shape
    parts = []
    for part, table in enumerate(tables):
        ids = channel.ids[:, :, part].contiguous().view(-1)  # a bag of one row for each element
        if torch.compiler.is_compiling():  # an export has plain operations
            exported: Any = table
            parts.append(exported.padded(ids[:, None], (ids > 0).float()[:, None]).view(rows, longest, -1))
            continue
        starts = torch.arange(len(ids), dtype=torch.int32, device=ids.device)
        parts.append(table(ids, starts, (ids > 0).float()).view(rows, longest, -1))
    return torch.cat(parts, dim=2)


def mean_of(elements: Tensor, lengths: Tensor) -> Tensor:
    """(rows, width): the mean of each row's elements, (rows, longest, width); zero for a row of none."""
    return elements.sum(dim=1) / lengths.clamp(min=1)[:, None]
