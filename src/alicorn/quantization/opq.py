"""OPQ: a residual, rotated, in one byte per sub-vector (papers 15.1; EBR 4.1 tips 3 and 4). Follows coarse.py.

Faiss finds the rotation and the sub-codebooks. <q, decoded> is a sum of table look-ups, one per code byte, because
an inner product is linear: the table depends on the query alone, not on the cluster.
"""

from __future__ import annotations

from typing import Self

import faiss
import numba
import numpy as np

_TRAINING_POINTS = 65_536  # Faiss's own limit for OPQ (papers 15.1)
_SUB_CENTROIDS = 256


class OPQ:
    """rotation: (dim, dim) orthogonal; codebooks: (code_size, 256, dim / code_size) float32."""

    name = "opq"

    def __init__(self, rotation: np.ndarray, codebooks: np.ndarray) -> None:
        self.rotation = np.ascontiguousarray(rotation, dtype=np.float32)
        self.codebooks = np.ascontiguousarray(codebooks, dtype=np.float32)
        self.dim = len(self.rotation)
        self.code_size = len(self.codebooks)

    @classmethod
    def fit(cls, residuals: np.ndarray, code_size: int, seed: int = 0) -> Self:
        """residuals: (n, dim) float32, n >= 256; code_size, in bytes, divides dim."""
        count, dim = residuals.shape
        if dim % code_size:
            raise ValueError(f"code_size must divide the dimension {dim}, got {code_size}")
        if count < _SUB_CENTROIDS:
            raise ValueError(f"OPQ needs at least {_SUB_CENTROIDS} training vectors, got {count}")
        rng = np.random.default_rng(seed)
        if count > _TRAINING_POINTS:
            residuals = residuals[np.sort(rng.choice(count, _TRAINING_POINTS, replace=False))]
        residuals = np.ascontiguousarray(residuals, dtype=np.float32)
        matrix = faiss.OPQMatrix(dim, code_size)
        matrix.niter = 10  # of Faiss's 50: a fifth of the time
        matrix.train(residuals)
        rotation = faiss.vector_to_array(matrix.A).reshape(dim, dim)  # rotated = residual @ rotation.T
        quantizer = faiss.ProductQuantizer(dim, code_size, 8)
        quantizer.cp.min_points_per_centroid = 1
        quantizer.cp.seed = seed + 1
        quantizer.train(np.ascontiguousarray(residuals @ rotation.T))
        codebooks = faiss.vector_to_array(quantizer.centroids).reshape(code_size, _SUB_CENTROIDS, dim // code_size)
        return cls(rotation, codebooks)

    def encode(self, residuals: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n, code_size) uint8."""
        quantizer = faiss.ProductQuantizer(self.dim, self.code_size, 8)
        faiss.copy_array_to_vector(self.codebooks.ravel(), quantizer.centroids)
        rotated = np.ascontiguousarray(residuals, dtype=np.float32) @ self.rotation.T
        return quantizer.compute_codes(np.ascontiguousarray(rotated))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_size) uint8 -> (n, dim) float32."""
        parts = self.codebooks[np.arange(self.code_size), codes]  # (n, code_size, dim / code_size)
        return parts.reshape(len(codes), self.dim) @ self.rotation

    def prepare(self, query: np.ndarray) -> tuple[np.ndarray, float]:
        """What scoring needs of a query (dim,): the table (code_size * 256,) float32 of partial products, and 0."""
        rotated = (self.rotation @ query).reshape(self.code_size, -1)
        return np.einsum("md,mcd->mc", rotated, self.codebooks).ravel(), 0.0

    def score(self, prepared: tuple[np.ndarray, float], codes: np.ndarray) -> np.ndarray:
        """Estimated <query, residual> of each code. (n, code_size) uint8 -> (n,) float32."""
        table, constant = prepared
        scores = np.empty(len(codes), dtype=np.float32)
        starts, stops = np.zeros(1, dtype=np.int64), np.array([len(codes)], dtype=np.int64)
        score_ranges(table, np.ascontiguousarray(codes), starts, stops, np.array([constant], dtype=np.float32), scores)
        return scores

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"rotation": self.rotation, "codebooks": self.codebooks}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(arrays["rotation"], arrays["codebooks"])


@numba.njit(
    "void(float32[::1], uint8[:, ::1], int64[::1], int64[::1], float32[::1], float32[::1])",
    cache=True,
    nogil=True,
    fastmath=True,
)
def score_ranges(table, codes, starts, stops, constants, out):
    """As sq8.score_ranges, with a table of partial products in place of weights."""
    code_size = codes.shape[1]
    at = 0
    for r in range(len(starts)):
        constant = constants[r]
        for row in range(starts[r], stops[r]):
            total = np.float32(0.0)
            for m in range(code_size):
                total += table[m * 256 + codes[row, m]]
            out[at] = total + constant
            at += 1


@numba.njit(
    "void(float32[::1], uint8[:, ::1], int64[::1], float32[::1], float32[::1])", cache=True, nogil=True, fastmath=True
)
def score_rows(table, codes, rows, constants, out):
    """As sq8.score_rows, with a table of partial products in place of weights."""
    code_size = codes.shape[1]
    for i in range(len(rows)):
        row = rows[i]
        total = np.float32(0.0)
        for m in range(code_size):
            total += table[m * 256 + codes[row, m]]
        out[i] = total + constants[i]
