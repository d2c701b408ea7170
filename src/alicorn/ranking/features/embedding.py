"""Features of an embedding: the cosine of request and document, the products of their dimensions, the vectors as such.

EBR (section 5) tried all three in its ranker and found that the cosine suffices; the wide ones are there to measure it.
Of a request with several interests, the products and the vector are those of the interest nearest to the document.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from alicorn.index import SegmentView
from alicorn.query.nn.nearest import exact_cosines
from alicorn.ranking.features.candidates import Candidates
from alicorn.ranking.features.feature import KnownNames, RankFeature, check_name, missing


class OfEmbedding(RankFeature):
    key: str

    def check(self, known: KnownNames) -> None:
        check_name(self.key, known.embeddings, "embedding key")


class CosineScore(OfEmbedding):
    """The cosine of the request to the document's embedding, of several interests the greatest."""

    kind: Literal["cosine"]

    def values(self, candidates: Candidates) -> np.ndarray:
        queries = candidates.asked.vectors.get(self.key)
        return missing(candidates) if queries is None else np.max(_cosines(candidates, self.key, queries), axis=0)


class _Wide(OfEmbedding):
    """dim: of the embedding, which says how many columns there are."""

    dim: Annotated[int, Field(ge=1)]

    def check(self, known: KnownNames) -> None:
        super().check(known)
        if known.embeddings[self.key] != self.dim:
            raise ValueError(f"dim must be {known.embeddings[self.key]}, that of {self.key!r}, got {self.dim}")

    def _pair(self, candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of the request and of each document, (candidates, dim) float64 both; NaN where not known."""
        documents = candidates.vectors(self.key).astype(np.float64)
        queries = candidates.asked.vectors.get(self.key)
        if queries is None:
            return np.full(documents.shape, np.nan), documents
        nearest = _cosines(candidates, self.key, queries).argmax(axis=0)
        return queries[nearest].astype(np.float64), documents


class Products(_Wide):
    """The Hadamard product: request times document, dimension by dimension; their sum is the cosine."""

    kind: Literal["hadamard"]

    def columns(self, name: str) -> tuple[str, ...]:
        return tuple(f"{name}.{at}" for at in range(self.dim))

    def values(self, candidates: Candidates) -> np.ndarray:
        request, document = self._pair(candidates)
        products: np.ndarray = request * document
        return products


class Vectors(_Wide):
    """The vector of the request, then that of the document."""

    kind: Literal["vectors"]

    def columns(self, name: str) -> tuple[str, ...]:
        return tuple(f"{name}.{side}.{at}" for side in ("request", "document") for at in range(self.dim))

    def values(self, candidates: Candidates) -> np.ndarray:
        return np.concatenate(self._pair(candidates), axis=1)


def _cosines(candidates: Candidates, key: str, queries: np.ndarray) -> np.ndarray:
    """(queries, candidates) float64, NaN where a document has no embedding. queries: (queries, dim) float32."""

    def cosines(view: SegmentView, numbers: np.ndarray) -> np.ndarray:
        found = np.full((len(queries), len(numbers)), np.nan)
        block = view.segment.embeddings.get(key)
        if block is not None:
            rows = block.rows_of[numbers]
            has = rows >= 0
            found[:, has] = [exact_cosines(block, query, rows[has]) for query in queries]
        return found.T

    return candidates.gathered(cosines, len(queries)).T
