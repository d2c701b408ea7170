"""Requests -> the vectors that they are searched by, each under the name that an expression calls it by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from alicorn.errors import ConfigError
from alicorn.language.templates import interest_names


class RequestEncoder(Protocol):
    """The request side of a model: one vector for each request, or one for each of its interests."""

    @property
    def num_interests(self) -> int: ...

    def encode_requests(self, requests: pa.Table) -> np.ndarray: ...

    def encode_interests(self, requests: pa.Table) -> np.ndarray: ...


class KeyedEncoder(RequestEncoder, Protocol):
    """One whose vectors belong to an embedding key."""

    @property
    def key(self) -> str: ...


def search_vectors(model: RequestEncoder, requests: pa.Table) -> np.ndarray:
    """float32 (requests, dim), or (requests, interests, dim) of a model of several interests; of unit length."""
    return model.encode_requests(requests) if model.num_interests == 1 else model.encode_interests(requests)


def named_vectors(key: str, vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Vectors of requests as a collection takes them: under the key, or under the names of their interests.

    vectors: float32 (requests, dim), or (requests, interests, dim). Each of the values is (requests, dim).
    """
    if vectors.ndim == 2:
        return {key: vectors}
    return {name: vectors[:, number] for number, name in enumerate(interest_names(vectors.shape[1]))}


def interests_of(models: Sequence[KeyedEncoder]) -> dict[str, tuple[str, ...]]:
    """Embedding key -> names of the vectors of a request, of the model of several interests where there is one.

    Raises ConfigError for two such models: both would call theirs `interest-1`.
    """
    several = {model.key: interest_names(model.num_interests) for model in models if model.num_interests > 1}
    if len(several) > 1:
        raise ConfigError(f"one model of several interests can answer at a time, got {' and '.join(several)}")
    return several
