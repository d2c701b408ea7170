"""OPQ: a residual, rotated, in one byte per sub-vector (papers 15.1; EBR 4.1 tips 3 and 4). Follows product.py.

Faiss finds the rotation and the sub-codebooks together, so that the sub-vectors share the error.
"""

from __future__ import annotations

from typing import Self

import faiss
import numpy as np

from alicorn.quantization.codecs import product

_ROUNDS = 3  # of Faiss's 50: it starts from PCA-PQ, not from a random rotation, and ten end where three do
_FIRST_ROUNDS = 10  # of k-means before the first rotation


class OPQ:
    """rotation: (dim, dim) orthogonal; codebooks: (code_size, 256, dim / code_size) float32."""

    name = "opq"

    def __init__(self, rotation: np.ndarray, codebooks: np.ndarray) -> None:
        self.rotation = np.ascontiguousarray(rotation, dtype=np.float32)  # rotated = residual @ rotation.T
        self.codebooks = product.Codebooks(codebooks)
        self.dim = self.codebooks.dim
        self.code_size = self.scan_size = self.codebooks.code_size

    @classmethod
    def fit(cls, residuals: np.ndarray, code_size: int, seed: int = 0) -> Self:
        """residuals: (n, dim) float32, n >= 256; code_size, in bytes, divides dim."""
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

    def prepare(self, query: np.ndarray) -> tuple[np.ndarray, float]:
        """What scoring needs of a query (dim,): the table (code_size * 256,) float32 of partial products, and 0."""
        return self.codebooks.table(self.rotation @ query), 0.0

    def score(self, prepared: tuple[np.ndarray, float], codes: np.ndarray) -> np.ndarray:
        """Estimated <query, residual> of each code. (n, code_size) uint8 -> (n,) float32."""
        return product.score(prepared, codes)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"rotation": self.rotation, "codebooks": self.codebooks.centroids}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(arrays["rotation"], arrays["codebooks"])
