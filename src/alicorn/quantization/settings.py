"""What can be chosen when a key is trained, what fits together, and what is chosen when nothing is said.

The one place where these values are checked: key.py, index/ and `alicorn tune` pass them on. docs/tuning.md holds the
measurements behind the defaults.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

from alicorn.errors import ConfigError
from alicorn.quantization.coarse.imi import MAX_CELLS, MIN_DIM
from alicorn.quantization.codecs.extended_rabitq import MAX_BITS
from alicorn.quantization.codecs.product import NUM_WORDS
from alicorn.quantization.kernels.simd import MAX_DIM

FLOAT32, FLOAT16, CODES = STORED = ("float32", "float16", "codes")  # how the vectors of a key are kept
COARSE = ("ivf", "imi")
CODECS = ("none", "sq8", "pq", "opq", "pca-pq", "rabitq")
PRODUCT_CODECS = ("pq", "opq", "pca-pq")

_TRAIN_FROM = 10_000  # documents; below, one cluster is scanned exactly in about a millisecond
_RETRAIN_GROWTH = 4  # the number of clusters grows with the root of the documents: at 4x it is off by 2x


def default_num_clusters(num_docs: int) -> int:
    """About 4 sqrt(n), as a power of two (papers 15.2, nlist guide): 512 for 20,000, 4,096 for 1,000,000."""
    return 1 << max(0, round(math.log2(4 * math.sqrt(max(num_docs, 1)))))


def default_num_cells(num_docs: int) -> int:
    """The same for imi: the power of four at or above, because many of its cells are nearly empty."""
    return min(MAX_CELLS, 1 << 2 * math.ceil(math.log2(default_num_clusters(num_docs)) / 2))


def should_train(num_docs: int, trained_on: int) -> bool:
    """Whether a key with num_docs vectors, last trained on trained_on of them (0: never), is due for training."""
    return num_docs >= _TRAIN_FROM and num_docs >= _RETRAIN_GROWTH * trained_on


@dataclass(frozen=True)
class Settings:
    """What a user may choose; None: by `complete`'s rule.

    coarse: one of COARSE. num_clusters: for imi a square, its number of cells. codec: one of CODECS.
    pq_bytes: code size of the product codes. bits: a dimension, of rabitq, 1 to 8.
    Raises ConfigError for what no collection could be trained with.
    """

    coarse: str | None = None
    num_clusters: int | None = None
    codec: str | None = None
    pq_bytes: int | None = None
    bits: int | None = None

    def __post_init__(self) -> None:
        for name, value, allowed in (("coarse", self.coarse, COARSE), ("codec", self.codec, CODECS)):
            if value is not None and value not in allowed:
                raise ConfigError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        numbers = (("num_clusters", self.num_clusters), ("pq_bytes", self.pq_bytes), ("bits", self.bits))
        for name, number in numbers:
            if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
                raise ConfigError(f"{name} must be an integer of at least 1, got {number!r}")
        self._check_belongs("pq_bytes", self.pq_bytes, PRODUCT_CODECS)
        self._check_belongs("bits", self.bits, ("rabitq",))
        if self.bits is not None and (self.bits > MAX_BITS or self.pq_bytes is not None):
            problem = "is at most 8" if self.pq_bytes is None else "and pq_bytes are of different codecs: leave one out"
            raise ConfigError(f"bits, of codec 'rabitq', {problem}; got {self.bits}")
        if self.coarse == "imi" and self.num_clusters is not None:
            _check_cells(self.num_clusters)

    def _check_belongs(self, name: str, value: int | None, codecs: tuple[str, ...]) -> None:
        if value is not None and self.codec is not None and self.codec not in codecs:
            raise ConfigError(
                f"{name} is for codec {' or '.join(codecs)}; the size of {self.codec!r} is its own: leave {name} out"
            )

    def complete(self, num_vectors: int, dim: int) -> Self:
        """Every value, for so many vectors of so many dimensions. Raises ConfigError for what cannot be trained."""
        coarse = self.coarse or "ivf"
        default = "sq8" if dim <= MAX_DIM else "none"
        codec = self.codec or ("opq" if self.pq_bytes else "rabitq" if self.bits else default)
        if codec in ("sq8", "rabitq") and dim > MAX_DIM:
            raise ConfigError(
                f"codec {codec!r} takes at most {MAX_DIM} dimensions, there are {dim}: use 'none' or 'pq'"
            )
        if coarse == "imi":
            num_clusters = self.num_clusters or default_num_cells(num_vectors)
            if dim < MIN_DIM:
                raise ConfigError(f"coarse 'imi' halves the dimensions and needs {MIN_DIM}, there are {dim}: use 'ivf'")
            num_clusters = min(num_clusters, num_vectors**2)
        else:
            num_clusters = min(self.num_clusters or default_num_clusters(num_vectors), num_vectors)
        pq_bytes = None
        if codec in PRODUCT_CODECS:
            pq_bytes = self.pq_bytes or divisor_near(dim, dim / 4)  # EBR 4.1, tip 4: little accuracy beyond
            if num_vectors < NUM_WORDS:
                raise ConfigError(f"codec {codec!r} needs {NUM_WORDS} vectors, there are {num_vectors}: use 'sq8'")
            if codec == "pca-pq" and pq_bytes > dim:
                raise ConfigError(f"pq_bytes must be at most the dimension, {dim}; got {pq_bytes}")
            if codec != "pca-pq" and dim % pq_bytes:
                near = divisor_near(dim, pq_bytes)
                raise ConfigError(
                    f"pq_bytes must divide the dimension, {dim}; got {pq_bytes}: use {near}, or codec 'pca-pq'"
                )
        bits = (self.bits or 1) if codec == "rabitq" else None
        return replace(self, coarse=coarse, num_clusters=num_clusters, codec=codec, pq_bytes=pq_bytes, bits=bits)


def divisor_near(dim: int, wanted: float) -> int:
    """The divisor of dim nearest to `wanted`, the smaller of two."""
    return min((size for size in range(1, dim + 1) if dim % size == 0), key=lambda size: (abs(size - wanted), size))


def _check_cells(num_clusters: int) -> None:
    root = math.isqrt(num_clusters)
    if root**2 != num_clusters:
        raise ConfigError(
            f"coarse 'imi' has k x k cells: num_clusters must be a square, got {num_clusters};"
            f" use {root**2} or {(root + 1) ** 2}"
        )
    if num_clusters > MAX_CELLS:
        raise ConfigError(f"coarse 'imi' takes at most {MAX_CELLS:,} cells, got {num_clusters:,}")
