"""The request tower of the fusion `concat` for one request at a time: arrays and three products, without torch's calls.

    y = W x + b + V relu(U x + c),   x: the channels of the request, one beside the other;   the vector is y / |y|

The arrays are the model's own, so that a tower costs no memory. Its vectors are those of `encode_requests` but for
the order of sums: within 1e-5.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from torch import Tensor

from alicorn.errors import ModelError
from alicorn.features.channel_id import ChannelId
from alicorn.features.requests import RequestFeatures
from alicorn.towers.fusions.concat import ConcatEncoder
from alicorn.towers.tables.table import EmbeddingTable, sum_rows
from alicorn.towers.two_tower import TwoTower


class RequestTower:
    """Threads may share it."""

    def __init__(self, features: RequestFeatures, encoder: ConcatEncoder, tables: Mapping[ChannelId, Tensor]) -> None:
        """tables: of the channels that are bags, (rows, width) each."""
        self._features = features
        self._tables = {channel: _array(table) for channel, table in tables.items()}
        self._order = encoder.names
        self._width = encoder.linear.in_features
        self._linear = _array(encoder.linear.weight), _array(encoder.linear.bias)
        self._hidden = None
        if encoder.hidden is not None and encoder.output is not None:
            arrays = encoder.hidden.weight, encoder.hidden.bias, encoder.output.weight
            self._hidden = tuple(map(_array, arrays))

    @classmethod
    def of(cls, module: TwoTower, features: RequestFeatures) -> "RequestTower | None":
        """The request side of a module; None where it is not made of tables, vectors and numbers, side by side."""
        encoder = module.request
        if not isinstance(encoder, ConcatEncoder) or module.interests > 1:
            return None
        read = encoder.vectors.bags(module.named_tables())
        if read is None or not all(isinstance(table, EmbeddingTable) for table in read.values()):
            return None
        tables = {channel: table.weight for channel, table in read.items() if isinstance(table, EmbeddingTable)}
        return cls(features, encoder, tables)

    def encode(self, query: str, row: int, context: Mapping[str, pa.Array]) -> np.ndarray:
        """float32 (dim,), of unit length. row: of the searcher, in the table that the features were made of. context:
        the columns of the request's context, of one row each, in the types in which their features read them.

        Raises TableError for an unreadable vector or weight, ModelError where the weights make no vector of it.
        """
        channels = self._features.one(query, row, context)
        x = np.empty(self._width, dtype=np.float32)
        start = 0
        for name in self._order:
            channel = channels[name]
            if isinstance(channel, tuple):
                table = self._tables[name]
                end = start + table.shape[1]
                sum_rows(table, *channel, x[start:end])
            else:
                end = start + len(channel)
                x[start:end] = channel
            start = end
        weight, bias = self._linear
        y = weight @ x + bias
        if self._hidden is not None:
            hidden, threshold, output = self._hidden
            y += output @ np.maximum(hidden @ x + threshold, 0)
        length = np.sqrt(y @ y)
        if not 0 < length < np.inf:
            raise ModelError("the model has no vector for this request: its weights are too large or no numbers")
        result: np.ndarray = y / length
        return result


def _array(weight: Tensor) -> np.ndarray:
    array: np.ndarray = weight.detach().numpy()
    return array
