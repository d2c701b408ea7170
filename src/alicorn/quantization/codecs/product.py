"""Codebooks of sub-vectors: one byte names one of 256 sub-centroids (Jégou et al. 2011). Of pq, opq and pca_pq.

<q, decoded> is a sum of table look-ups, one per code byte, because an inner product is linear: the table depends on
the query alone, not on the cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from alicorn.compiled import kernel
from alicorn.errors import ConfigError
from alicorn.quantization.kernels.intrinsics import bytes_at, floats_at
from alicorn.quantization.kernels.named import Floats

if TYPE_CHECKING:
    import faiss  # loaded when something is trained

NUM_WORDS = 256  # sub-centroids per codebook: one byte
MAX_BYTES = 1 << 30  # of a code; the dimension bounds it first
_TRAINING_POINTS = 64 * NUM_WORDS  # Faiss asks for 39 per sub-centroid
_ROUNDS = 12


class TableQuery(NamedTuple):
    """table: 256 inner products for each byte of a code; constant: what is added to their sum."""

    table: Floats
    constant: np.float32
    rounding: np.float32 = np.float32(0.0)

    def estimate(self, base, code, size):
        """Four sums side by side: one alone would wait for each addition."""
        part, numbers = bytes_at(code), floats_at(self.table)
        a, b, c, d = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
        whole = size & ~3
        for m in range(0, whole, 4):
            at = m << 8
            a += numbers[at + np.int64(part[m])]
            b += numbers[at + 256 + np.int64(part[m + 1])]
            c += numbers[at + 512 + np.int64(part[m + 2])]
            d += numbers[at + 768 + np.int64(part[m + 3])]
        for m in range(whole, size):
            a += numbers[(m << 8) + np.int64(part[m])]
        return base + (self.constant + ((a + b) + (c + d))), np.float32(0.0)


class Codebooks:
    """centroids: (code_size, 256, dim / code_size) float32."""

    def __init__(self, centroids: np.ndarray) -> None:
        self.centroids = np.ascontiguousarray(centroids, dtype=np.float32)
        self.code_size = len(self.centroids)
        self.dim = self.code_size * self.centroids.shape[2]
        self._columns = np.ascontiguousarray(self.centroids.transpose(0, 2, 1)).reshape(self.dim, NUM_WORDS)

    @classmethod
    def fit(cls, points: np.ndarray, code_size: int, seed: int = 0) -> Self:
        """points: (n, dim) float32, n >= 256; code_size, in bytes, divides dim."""
        import faiss

        dim = points.shape[1]
        quantizer = untrained(dim, code_size, seed)
        quantizer.cp.niter = _ROUNDS
        quantizer.train(np.ascontiguousarray(points, dtype=np.float32))
        return cls(faiss.vector_to_array(quantizer.centroids).reshape(code_size, NUM_WORDS, dim // code_size))

    def encode(self, points: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n, code_size) uint8."""
        import faiss

        quantizer = faiss.ProductQuantizer(self.dim, self.code_size, 8)
        faiss.copy_array_to_vector(self.centroids.ravel(), quantizer.centroids)
        return quantizer.compute_codes(np.ascontiguousarray(points, dtype=np.float32))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_size) uint8 -> (n, dim) float32."""
        result: np.ndarray = self.centroids[np.arange(self.code_size), codes].reshape(len(codes), self.dim)
        return result

    def table(self, query: np.ndarray) -> np.ndarray:
        """Inner products of a query's sub-vectors with the sub-centroids. (dim,) -> (code_size * 256,) float32."""
        table = np.zeros((self.code_size, NUM_WORDS), dtype=np.float32)
        _fill_table(np.ascontiguousarray(query, dtype=np.float32), self._columns, table)
        return table.ravel()


def complete_bytes(pq_bytes: int | None, num_vectors: int, dim: int, choice: str, must_divide: bool) -> int:
    """The bytes of a code, chosen where None. Raises ConfigError where such vectors cannot be trained with them."""
    if num_vectors < NUM_WORDS:
        raise ConfigError(f"codec {choice!r} needs {NUM_WORDS} vectors, there are {num_vectors}: use 'sq8'")
    pq_bytes = pq_bytes or divisor_near(dim, dim / 4)  # EBR 4.1, tip 4: little accuracy beyond
    if must_divide and dim % pq_bytes:
        near = divisor_near(dim, pq_bytes)
        raise ConfigError(f"pq_bytes must divide the dimension, {dim}; got {pq_bytes}: use {near}, or codec 'pca-pq'")
    if pq_bytes > dim:
        raise ConfigError(f"pq_bytes must be at most the dimension, {dim}; got {pq_bytes}")
    return pq_bytes


def divisor_near(dim: int, wanted: float) -> int:
    """The divisor of dim nearest to `wanted`, the smaller of two."""
    return min((size for size in range(1, dim + 1) if dim % size == 0), key=lambda size: (abs(size - wanted), size))


def untrained(dim: int, code_size: int, seed: int) -> faiss.ProductQuantizer:
    """Faiss's quantizer, which does not warn of few points: it writes where the output of a program may go."""
    import faiss

    quantizer = faiss.ProductQuantizer(dim, code_size, 8)
    quantizer.cp.min_points_per_centroid = 1
    quantizer.cp.seed = seed + 1
    return quantizer


def training_points(residuals: np.ndarray, code_size: int, codec: str, seed: int) -> np.ndarray:
    """Check what a product code is trained on, and draw a sample of it: contiguous float32."""
    count, dim = residuals.shape
    if dim % code_size:
        raise ValueError(f"code_size must divide the dimension {dim}, got {code_size}")
    if count < NUM_WORDS:
        raise ValueError(f"{codec} needs at least {NUM_WORDS} training vectors, got {count}")
    if count > _TRAINING_POINTS:
        chosen = np.random.default_rng(seed).choice(count, _TRAINING_POINTS, replace=False)
        residuals = residuals[np.sort(chosen)]
    return np.ascontiguousarray(residuals, dtype=np.float32)


def principal_components(points: np.ndarray, kept: int, code_size: int) -> tuple[np.ndarray, np.ndarray]:
    """The leading components, dealt to the sub-vectors so that each gets about the same product of variances.

    With this allocation PQ loses least (eigenvalue allocation: Ge et al., Optimized Product Quantization, CVPR 2013,
    3.2).
    points: (n, dim) -> components (kept, dim) orthonormal rows, sub-vector after sub-vector; mean (dim,).
    """
    import faiss

    dim = points.shape[1]
    pca = faiss.PCAMatrix(dim, kept)
    pca.train(points)
    components = faiss.vector_to_array(pca.PCAMat).reshape(dim, dim)[:kept]
    variances = np.maximum(faiss.vector_to_array(pca.eigenvalues)[:kept].astype(np.float64), 1e-12)
    dealt: list[list[int]] = [[] for _ in range(code_size)]
    products = np.zeros(code_size)  # of variances, as logarithms of multiples of the smallest
    for component, gain in enumerate(np.log(variances / variances.min())):
        open_parts = [part for part in range(code_size) if len(dealt[part]) < kept // code_size]
        chosen = min(open_parts, key=lambda part: (products[part], part))
        dealt[chosen].append(component)
        products[chosen] += gain
    order = [component for part in dealt for component in part]
    return np.ascontiguousarray(components[order]), faiss.vector_to_array(pca.mean)


@kernel("void(float32[::1], float32[:, ::1], float32[:, ::1])")
def _fill_table(query, columns, table):
    """Add to table[m] query[j] * columns[j] of every dimension j of sub-vector m: 256 sub-centroids side by side."""
    width = len(query) // len(table)
    for m in range(len(table)):
        row = table[m]
        for j in range(m * width, (m + 1) * width):
            weight, column = query[j], columns[j]
            for word in range(NUM_WORDS):
                row[word] += weight * column[word]
