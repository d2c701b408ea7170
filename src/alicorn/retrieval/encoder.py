"""Requests -> the vectors that they are searched by, each under the name that an expression calls it by."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyarrow as pa

from alicorn.language.templates import interest_names


class RequestEncoder(Protocol):
    """The request side of a model: one vector for each request, or one for each of its interests."""

    @property
    def num_interests(self) -> int: ...

    def encode_requests(self, requests: pa.Table) -> np.ndarray: ...

    def encode_interests(self, requests: pa.Table) -> np.ndarray: ...


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
