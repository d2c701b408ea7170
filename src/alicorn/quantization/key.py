"""What a collection keeps per embedding key: a coarse quantizer and a codec of residuals, trained together, versioned.

A vector is stored as its cluster and the code of its residual, vector - centroid (EBR 4.2: cluster term and payload).
Segments, the mutable layer and shards share it, so a document's cluster and code depend on its vector alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from alicorn.quantization.coarse import CoarseQuantizer
from alicorn.quantization.none import NoCodec
from alicorn.quantization.opq import OPQ
from alicorn.quantization.rabitq import RaBitQ
from alicorn.quantization.sq8 import SQ8

Codec = NoCodec | SQ8 | OPQ | RaBitQ
_CODECS: tuple[type[NoCodec] | type[SQ8] | type[OPQ] | type[RaBitQ], ...] = (NoCodec, SQ8, OPQ, RaBitQ)

_TRAIN_FROM = 10_000  # documents; below, one cluster is scanned exactly in about a millisecond
_RETRAIN_GROWTH = 4  # the number of clusters grows with the root of the documents: at 4x it is off by 2x
_BLOCK = 65_536
_TRAINING_RESIDUALS = 131_072
_ROUNDING = np.float32(1e-6)  # added to a code's error: what float32 sums of unit vectors may be off by


def default_num_clusters(num_docs: int) -> int:
    """About 4 sqrt(n), as a power of two (papers 15.2, nlist guide): 512 for 20,000, 4,096 for 1,000,000."""
    return 1 << max(0, round(math.log2(4 * math.sqrt(max(num_docs, 1)))))


def should_train(num_docs: int, trained_on: int) -> bool:
    """Whether a key with num_docs vectors, last trained on trained_on of them (0: never), is due for training."""
    return num_docs >= _TRAIN_FROM and num_docs >= _RETRAIN_GROWTH * trained_on


@dataclass(frozen=True)
class KeyQuantizer:
    """version 0 is untrained; trained_on counts the vectors of the key when it was trained."""

    coarse: CoarseQuantizer
    codec: Codec
    version: int
    trained_on: int

    @property
    def dim(self) -> int:
        return self.coarse.dim

    @property
    def num_clusters(self) -> int:
        return self.coarse.num_clusters

    @classmethod
    def untrained(cls, dim: int) -> Self:
        """One cluster, no codes: every search is exact."""
        return cls(CoarseQuantizer.single(dim), NoCodec(dim), version=0, trained_on=0)

    @classmethod
    def train(
        cls,
        vectors: np.ndarray,
        version: int,
        num_clusters: int | None = None,
        codec: str = "sq8",
        pq_bytes: int | None = None,
        seed: int = 0,
    ) -> Self:
        """Train on the vectors of a key. vectors: (n, dim) float32 unit rows.

        num_clusters: default_num_clusters(n) when None. codec: "none", "sq8", "opq" or "rabitq".
        pq_bytes: the code size of opq, dim / 4 when None (EBR 4.1, tip 4), rounded to a divisor of dim.
        """
        count, dim = vectors.shape
        coarse = CoarseQuantizer.fit(vectors, min(count, num_clusters or default_num_clusters(count)), seed)
        rng = np.random.default_rng(seed)
        if count > _TRAINING_RESIDUALS:
            vectors = vectors[np.sort(rng.choice(count, _TRAINING_RESIDUALS, replace=False))]
        residuals = vectors - coarse.centroids[coarse.assign(vectors)]
        trained: Codec
        if codec == "sq8":
            trained = SQ8.fit(residuals)
        elif codec == "opq":
            trained = OPQ.fit(residuals, pq_bytes or _divisor_near(dim, dim / 4), seed)
        elif codec == "rabitq":
            trained = RaBitQ.fit(residuals, seed)
        elif codec == "none":
            trained = NoCodec.fit(residuals)
        else:
            raise ValueError(f"codec must be 'none', 'sq8', 'opq' or 'rabitq', got {codec!r}")
        return cls(coarse, trained, version, trained_on=count)

    def assign(self, vectors: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n,) int32 clusters."""
        return self.coarse.assign(vectors)

    def encode(self, vectors: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes of the residuals and how far each decodes from its vector.

        vectors: (n, dim) float32 unit rows; clusters: (n,) int.
        Returns codes (n, code_size) uint8 and errors (n,) float32: the Euclidean norm of (vector - decoded), rounded
        up, so that |<q, vector> - <q, decoded>| <= error for every unit q (Cauchy-Schwarz). With NoCodec scores come
        from the vectors themselves, and the errors are 0; with RaBitQ the bound holds with high probability.
        """
        count = len(vectors)
        codes = np.empty((count, self.codec.code_size), dtype=np.uint8)
        errors = np.zeros(count, dtype=np.float32)
        if isinstance(self.codec, NoCodec):
            return codes, errors
        for start in range(0, count, _BLOCK):
            block = slice(start, start + _BLOCK)
            residuals = vectors[block] - self.coarse.centroids[clusters[block]]
            codes[block] = self.codec.encode(residuals)
            if isinstance(self.codec, RaBitQ):
                errors[block] = self.codec.bounds(residuals) + _ROUNDING
                continue
            errors[block] = np.linalg.norm(residuals - self.codec.decode(codes[block]), axis=1) * 1.0001 + _ROUNDING
        return codes, errors

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything needed to rebuild it: what index/ writes to the quantizer's file."""
        arrays = {f"coarse.{name}": array for name, array in self.coarse.to_arrays().items()}
        arrays |= {f"codec.{self.codec.name}.{name}": array for name, array in self.codec.to_arrays().items()}
        arrays["version"] = np.array([self.version, self.trained_on], dtype=np.int64)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        def part(prefix: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

        codec = next(kind.from_arrays(part(f"codec.{kind.name}.")) for kind in _CODECS if part(f"codec.{kind.name}."))
        version, trained_on = (int(number) for number in arrays["version"])
        return cls(CoarseQuantizer.from_arrays(part("coarse.")), codec, version, trained_on)


def _divisor_near(dim: int, wanted: float) -> int:
    return min((size for size in range(1, dim + 1) if dim % size == 0), key=lambda size: (abs(size - wanted), size))
