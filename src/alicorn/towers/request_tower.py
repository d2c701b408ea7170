"""The request tower of the fusion `concat` for one request at a time, without a table and without torch."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import pyarrow as pa

from alicorn.errors import ModelError
from alicorn.features.requests import RequestFeatures
from alicorn.towers.concat_arrays import ConcatArrays


class OneRequest(Protocol):
    """A request tower for one request at a time: that of a model, or those of an ensemble."""

    def encode(self, query: str, row: int, context: Mapping[str, pa.Array]) -> np.ndarray: ...


class RequestTower:
    """Threads may share it."""

    def __init__(self, features: RequestFeatures, arrays: ConcatArrays) -> None:
        self._features, self._arrays = features, arrays

    def encode(self, query: str, row: int, context: Mapping[str, pa.Array]) -> np.ndarray:
        """float32 (dim,), of unit length. row: of the searcher, in the table that the features were made of. context:
        the columns of the request's context, of one row each, in the types in which their features read them.

        Raises TableError for an unreadable vector or weight, ModelError where the weights make no vector of it.
        """
        vector = self._arrays.one(self._features.one(query, row, context))
        if not np.isfinite(vector @ vector):
            raise ModelError("the model has no vector for this request: its weights are too large or no numbers")
        return vector
