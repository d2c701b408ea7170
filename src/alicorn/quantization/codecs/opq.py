"""OPQ: a residual, rotated, in one byte per sub-vector (EBR 4.1 tips 3 and 4).

Source: Ge et al., Optimized Product Quantization, CVPR 2013. Faiss finds the rotation and the sub-codebooks together,
so that the sub-vectors share the error.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from alicorn.quantization.codecs import product
from alicorn.quantization.codecs.codec import distances

_ROUNDS = 3  # of Faiss's 50: it starts from PCA-PQ, not from a random rotation, and ten end where three do
_FIRST_ROUNDS = 10  # of k-means before the first rotation


class OPQ:
    """rotation: (dim, dim) orthogonal; codebooks: (code_size, 256, dim / code_size) float32."""

    name: ClassVar[str] = "opq"
    choice: ClassVar[str | None] = "opq"
    option: ClassVar[str | None] = "pq_bytes"
    most: ClassVar[int] = product.MAX_BYTES
    of_residuals: ClassVar[bool] = True
    num_errors: ClassVar[int] = 1
    Query: ClassVar[type] = product.TableQuery

    def __init__(self, rotation: np.ndarray, codebooks: np.ndarray) -> None:
        self.rotation = np.ascontiguousarray(rotation, dtype=np.float32)  # rotated = residual @ rotation.T
        self.codebooks = product.Codebooks(codebooks)
        self.dim = self.codebooks.dim
        self.code_size = self.scan_size = self.size = self.codebooks.code_size

    @classmethod
    def complete(cls, size: int | None, num_vectors: int, dim: int) -> int:
        return product.complete_bytes(size, num_vectors, dim, cls.name, must_divide=True)

    @classmethod
    def train(cls, points: np.ndarray, size: int | None, seed: int) -> Self:
        assert size is not None
        return cls.fit(points, size, seed)

    @classmethod
    def fit(cls, residuals: np.ndarray, code_size: int, seed: int = 0) -> Self:
        """residuals: (n, dim) float32, n >= 256; code_size, in bytes, divides dim."""
        import faiss  # loaded when something is trained

        points = product.training_points(residuals, code_size, cls.name, seed)
        dim = points.shape[1]
        matrix = faiss.OPQMatrix(dim, code_size)
        matrix.niter = _ROUNDS
        matrix.niter_pq_0 = _FIRST_ROUNDS
        quantizer = product.untrained(dim, code_size, seed)
        matrix.pq = quantizer  # held by our variable, not by Faiss
        start, _ = product.principal_components(points, dim, code_size)
        faiss.copy_array_to_vector(start.ravel(), matrix.A)
        matrix.train(points)
        rotation = faiss.vector_to_array(matrix.A).reshape(dim, dim)
        return cls(rotation, product.Codebooks.fit(points @ rotation.T, code_size, seed).centroids)

    def encode(self, residuals: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n, code_size) uint8."""
        return self.codebooks.encode(np.asarray(residuals, dtype=np.float32) @ self.rotation.T)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_size) uint8 -> (n, dim) float32."""
        return self.codebooks.decode(codes) @ self.rotation

    def errors(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """(n, dim), (n, code_size) -> (n, 1) float32."""
        return distances(points, self.decode(codes))

    def prepare(self, query: np.ndarray) -> product.TableQuery:
        """(dim,) float32."""
        return product.TableQuery(self.codebooks.table(self.rotation @ query), np.float32(0.0))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"rotation": self.rotation, "codebooks": self.codebooks.centroids}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(arrays["rotation"], arrays["codebooks"])
