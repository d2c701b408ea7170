"""The settings of a training: their values, which of them fit together, and their defaults.

The one place where these values are checked: key.py, index/ and `alicorn tune` pass them on. docs/tuning.md holds the
measurements behind the defaults.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

from alicorn.errors import ConfigError
from alicorn.quantization.coarse.imi import MAX_CELLS, MIN_DIM
from alicorn.quantization.codecs import CHOICES, DEFAULT, DEFAULT_SIZED_BY
from alicorn.quantization.kernels.levels import MAX_DIM

FLOAT32, FLOAT16, CODES = STORED = ("float32", "float16", "codes")  # how the vectors of a key are kept
COARSE = ("ivf", "imi")
SIZES = ("pq_bytes", "bits")  # options that size a code; a codec says which it takes

_TRAIN_FROM = 10_000  # documents; below, one cluster is scanned exactly in about a millisecond
_RETRAIN_GROWTH = 4  # the number of clusters grows with the root of the documents: at 4x it is off by 2x


def default_num_clusters(num_docs: int) -> int:
    """About 4 sqrt(n), as a power of two (Faiss's guide to nlist): 512 for 20,000, 4,096 for 1,000,000."""
    return 1 << max(0, round(math.log2(4 * math.sqrt(max(num_docs, 1)))))


def default_num_cells(num_docs: int) -> int:
    """The same for imi: the power of four at or above, because many of its cells are nearly empty."""
    return min(MAX_CELLS, 1 << 2 * math.ceil(math.log2(default_num_clusters(num_docs)) / 2))


def should_train(num_docs: int, trained_on: int) -> bool:
    """Whether a key with num_docs vectors, last trained on trained_on of them (0: never), is due for training."""
    return num_docs >= _TRAIN_FROM and num_docs >= _RETRAIN_GROWTH * trained_on


@dataclass(frozen=True)
class Settings:
    """The settings that a user may choose; None: by `complete`'s rule.

    coarse: one of COARSE. num_clusters: for imi a square, its number of cells. codec: one of CHOICES.
    pq_bytes: code size of the product codes. bits: a dimension, of rabitq, 1 to 8.
    Raises ConfigError for what no collection could be trained with.
    """

    coarse: str | None = None
    num_clusters: int | None = None
    codec: str | None = None
    pq_bytes: int | None = None
    bits: int | None = None

    def __post_init__(self) -> None:
        for name, value, allowed in (("coarse", self.coarse, COARSE), ("codec", self.codec, tuple(CHOICES))):
            if value is not None and value not in allowed:
                raise ConfigError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        for name in ("num_clusters", *SIZES):
            number = getattr(self, name)
            if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
                raise ConfigError(f"{name} must be an integer of at least 1, got {number!r}")
        for name in SIZES:
            self._check_size(name)
        if self.pq_bytes is not None and self.bits is not None:
            given = f"{self.pq_bytes} and {self.bits}"
            raise ConfigError(f"pq_bytes and bits are of different codecs: leave one out; got {given}")
        if self.coarse == "imi" and self.num_clusters is not None:
            _check_cells(self.num_clusters)

    def _check_size(self, option: str) -> None:
        size = getattr(self, option)
        if size is None:
            return
        codecs = codecs_sized_by(option)
        if self.codec is not None and self.codec not in codecs:
            raise ConfigError(
                f"{option} is for codec {' or '.join(codecs)}; the size of {self.codec!r} is its own:"
                f" leave {option} out"
            )
        most = max(CHOICES[codec].most for codec in codecs)
        if size > most:
            raise ConfigError(f"{option}, of codec {' or '.join(map(repr, codecs))}, is at most {most}; got {size}")

    def complete(self, num_vectors: int, dim: int) -> Self:
        """Every value, for so many vectors of so many dimensions. Raises ConfigError for what cannot be trained."""
        coarse = self.coarse or "ivf"
        sized_by = next((DEFAULT_SIZED_BY[option] for option in SIZES if getattr(self, option)), None)
        codec = self.codec or sized_by or (DEFAULT if dim <= MAX_DIM else "none")
        kind = CHOICES[codec]
        size = kind.complete(getattr(self, kind.option) if kind.option else None, num_vectors, dim)
        if coarse == "imi":
            num_clusters = self.num_clusters or default_num_cells(num_vectors)
            if dim < MIN_DIM:
                raise ConfigError(f"coarse 'imi' halves the dimensions and needs {MIN_DIM}, there are {dim}: use 'ivf'")
            num_clusters = min(num_clusters, num_vectors**2)
        else:
            num_clusters = min(self.num_clusters or default_num_clusters(num_vectors), num_vectors)
        sizes = {option: size if option == kind.option else None for option in SIZES}
        return replace(self, coarse=coarse, num_clusters=num_clusters, codec=codec, **sizes)


def codecs_sized_by(option: str) -> tuple[str, ...]:
    """The choices of codec that take an option."""
    return tuple(name for name, kind in CHOICES.items() if kind.option == option)


def _check_cells(num_clusters: int) -> None:
    root = math.isqrt(num_clusters)
    if root**2 != num_clusters:
        raise ConfigError(
            f"coarse 'imi' has k x k cells: num_clusters must be a square, got {num_clusters};"
            f" use {root**2} or {(root + 1) ** 2}"
        )
    if num_clusters > MAX_CELLS:
        raise ConfigError(f"coarse 'imi' takes at most {MAX_CELLS:,} cells, got {num_clusters:,}")
