"""What a model is, whatever computes its vectors: torch (model.py), arrays or an exported tower (without_torch.py)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from alicorn.errors import ConfigError, ModelError
from alicorn.features import Encoding, Featurizer
from alicorn.features.requests import RequestFeatures
from alicorn.towers.request_tower import OneRequest
from alicorn.vertical import Feature, Vertical
from alicorn.vertical.parts import differing, of_vectors

_OFF_UNIT = 0.01  # a unit vector of float32 is within 1e-5 of its length, one that overflowed is 0 or NaN


@dataclass(frozen=True, eq=False)
class ModelBase(ABC):
    """Threads may share a model; it is pickled whole, and a forked child may use it (processes.py).

    key: under which the documents' vectors are published. recipe: plain data, as in recipe.yaml.

    fingerprint: of everything that decides a vector; equal for equal models. data: fingerprint of what it learned from.
    """

    vertical: Vertical
    recipe: Mapping[str, Any]
    key: str
    data: str
    requests: Featurizer
    documents: Featurizer
    fingerprint: str

    @property
    @abstractmethod
    def dim(self) -> int: ...

    @property
    @abstractmethod
    def num_interests(self) -> int:
        """Embeddings of one request."""

    @abstractmethod
    def encode_requests(self, requests: pa.Table) -> np.ndarray:
        """float32 (rows, dim), unit length. requests: `query` and the context columns of the model's request features.

        A missing column is a TableError; a null is an unknown value. The same call serves one request and a million.
        """

    @abstractmethod
    def encode_interests(self, requests: pa.Table) -> np.ndarray:
        """float32 (rows, interests, dim), unit length: what a request is searched by. One interest is encode_requests.

        Of several, encode_requests is the direction of their sum, for whoever takes one vector.
        """

    @abstractmethod
    def encode_documents(self, documents: pa.Table) -> np.ndarray:
        """float32 (rows, dim), unit length. documents: the columns of the model's document features."""

    @abstractmethod
    def save(self, folder: str | Path) -> Self:
        """Write the folder. Returns the model with the fingerprint it has there."""

    def request_tower(self, searchers: pa.Table) -> OneRequest | None:
        """The request side for one request at a time (request_tower.py), over rows of a table of searchers and the
        columns of the vertical's request.context.

        None where this model's has to be asked by `encode_requests`.
        """
        return None

    @property
    def request_features(self) -> dict[str, Feature]:
        """The vertical's features that are read of a request, by name."""
        return self.requests.features

    @property
    def document_features(self) -> dict[str, Feature]:
        return self.documents.features

    def with_vertical(self, vertical: Vertical) -> Self:
        """The same model serving another version of its vertical, which may differ in all but the features it reads.

        Raises ConfigError where one of these differs.
        """
        if others := differing(self.reads(self.vertical), self.reads(vertical)):
            raise ConfigError(
                f"model {self.fingerprint} learned from another {' and '.join(others)} than vertical"
                f" '{vertical.name}' has: use the vertical it was trained with, or train again; all that the model does"
                " not read may differ"
            )
        return replace(self, vertical=vertical)

    def with_key(self, key: str) -> Self:
        """The same model, whose vectors are published under another key."""
        return replace(self, key=key)

    def reads(self, vertical: Vertical) -> dict[str, str]:
        """The part of a vertical that decides this model's vectors (vertical/parts.py)."""
        return of_vectors(vertical, self.requests.names, self.documents.names)

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """What its pretrained text encoder has done in this process; empty without one."""
        return (self.documents.encoder.done,) if self.documents.encoder else ()

    def _request_features(self, searchers: pa.Table) -> RequestFeatures | None:
        context = self.vertical.request.context
        if not RequestFeatures.reads(self.requests, searchers.column_names, context):
            return None
        return RequestFeatures(self.requests, searchers, context)

    def _check_lengths(self, vectors: np.ndarray, side: str) -> None:
        """Raises ModelError for a vector, (rows, ..., dim), that is not of unit length: no index takes it."""
        squares = np.einsum("...d,...d->...", vectors, vectors)
        bad = ~(np.abs(squares - 1.0) < _OFF_UNIT)  # NaN is not below either
        bad = bad.any(axis=tuple(range(1, bad.ndim)))
        if bad.any():
            raise ModelError(
                f"model {self.fingerprint} has no vector for row {int(bad.argmax())} of the {side} (from 0; "
                f"{int(bad.sum())} such rows): its weights are too large or no numbers: train again with lower rates"
            )
