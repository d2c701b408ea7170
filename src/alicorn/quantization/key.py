"""What a collection keeps per embedding key: a coarse quantizer and a codec of residuals, trained together, versioned.

A vector is stored as its cluster and the code of its residual, vector - centroid (EBR 4.2: cluster term and payload).
Segments, the mutable layer and shards share it, so a document's cluster and code depend on its vector alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np

from alicorn.quantization.coarse import CoarseQuantizer
from alicorn.quantization.codes import Codes
from alicorn.quantization.extended_rabitq import ExtendedRaBitQ
from alicorn.quantization.imi import IMI
from alicorn.quantization.none import NoCodec
from alicorn.quantization.opq import OPQ
from alicorn.quantization.pca_pq import PCAPQ
from alicorn.quantization.pq import PQ
from alicorn.quantization.rabitq import RaBitQ
from alicorn.quantization.settings import PRODUCT_CODECS, Settings
from alicorn.quantization.sq8 import SQ8

Coarse = CoarseQuantizer | IMI
Codec = NoCodec | SQ8 | PQ | OPQ | PCAPQ | RaBitQ | ExtendedRaBitQ
_COARSE: dict[str, type[CoarseQuantizer] | type[IMI]] = {kind.name: kind for kind in (CoarseQuantizer, IMI)}
_PRODUCT: dict[str, type[PQ] | type[OPQ] | type[PCAPQ]] = {kind.name: kind for kind in (PQ, OPQ, PCAPQ)}
_OTHER: dict[str, type[NoCodec] | type[SQ8] | type[RaBitQ]] = {kind.name: kind for kind in (NoCodec, SQ8, RaBitQ)}

_BLOCK = 65_536
_TRAINING_RESIDUALS = 65_536
_ROUNDING = np.float32(1e-6)  # added to a code's error: what float32 sums of unit vectors may be off by
_BY_SIZE = Settings()


@dataclass(frozen=True)
class KeyQuantizer:
    """version 0 is untrained; trained_on counts the vectors of the key when it was trained.

    chosen: the settings that somebody chose, which hold when it is trained again; the others follow the size then.
    """

    coarse: Coarse
    codec: Codec
    version: int
    trained_on: int
    chosen: Settings = _BY_SIZE

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

    @property
    def settings(self) -> Settings:
        """What it was trained with, every value filled in."""
        codec = self.codec
        if isinstance(codec, RaBitQ | ExtendedRaBitQ):
            bits = codec.bits if isinstance(codec, ExtendedRaBitQ) else 1
            return Settings(self.coarse.name, self.num_clusters, "rabitq", bits=bits)
        pq_bytes = codec.code_size if codec.name in PRODUCT_CODECS else None
        return Settings(self.coarse.name, self.num_clusters, codec.name, pq_bytes)

    @classmethod
    def train(
        cls,
        vectors: np.ndarray,
        version: int,
        chosen: Settings = _BY_SIZE,
        seed: int = 0,
        trained_on: int | None = None,
    ) -> Self:
        """Train on vectors of a key, or on a sample of them. vectors: (n, dim) float32 unit rows, n >= 1.

        trained_on: how many vectors the key has, whose number decides what is not chosen; n where not given.
        Raises ConfigError for settings that such vectors cannot be trained with.
        """
        count, dim = vectors.shape
        settings = chosen.complete(trained_on or count, dim)
        assert settings.coarse is not None
        assert settings.codec is not None
        assert settings.num_clusters is not None
        coarse = _COARSE[settings.coarse].fit(vectors, settings.num_clusters, seed)
        if count > _TRAINING_RESIDUALS:
            vectors = vectors[np.sort(np.random.default_rng(seed).choice(count, _TRAINING_RESIDUALS, replace=False))]
        residuals = vectors - coarse.centroids[coarse.assign(vectors)]
        codec: Codec
        if settings.pq_bytes is not None:
            codec = _PRODUCT[settings.codec].fit(residuals, settings.pq_bytes, seed)
        elif settings.bits is not None and settings.bits > 1:
            codec = ExtendedRaBitQ.fit(residuals, settings.bits, seed)
        else:
            codec = _OTHER[settings.codec].fit(residuals, seed)
        return cls(coarse, codec, version, trained_on or count, chosen)

    def assign(self, vectors: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n,) int32 clusters."""
        return self.coarse.assign(vectors)

    def encode(self, vectors: np.ndarray, clusters: np.ndarray) -> Codes:
        """Codes of the residuals and how far each decodes from its vector.

        vectors: (n, dim) float32 unit rows; clusters: (n,) int.
        """
        count = len(vectors)
        codes = Codes.empty(count, self.codec)
        if isinstance(self.codec, NoCodec):
            codes.errors[:] = 0
            return codes
        for start in range(0, count, _BLOCK):
            block = slice(start, start + _BLOCK)
            residuals = vectors[block] - self.coarse.centroids[clusters[block]]
            whole = self.codec.encode(residuals)
            scanned = whole[:, : self.codec.scan_size]
            codes.codes[block], codes.fine[block] = scanned, whole[:, self.codec.scan_size :]
            if isinstance(self.codec, RaBitQ | ExtendedRaBitQ):
                codes.errors[block] = self.codec.bounds(residuals, whole) + _ROUNDING
                continue
            codes.errors[block] = self._distances(residuals, scanned)
            if codes.fine_errors.shape[1]:
                codes.fine_errors[block, 0] = self._distances(residuals, whole)
        return codes

    def _distances(self, residuals: np.ndarray, codes: np.ndarray) -> np.ndarray:
        return np.linalg.norm(residuals - self.codec.decode(codes), axis=1) * 1.0001 + _ROUNDING

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything needed to rebuild it: what index/ writes to the quantizer's file."""
        arrays = {f"coarse.{name}": array for name, array in self.coarse.to_arrays().items()}
        arrays |= {f"codec.{self.codec.name}.{name}": array for name, array in self.codec.to_arrays().items()}
        arrays["version"] = np.array([self.version, self.trained_on], dtype=np.int64)
        arrays["chosen"] = np.frombuffer(json.dumps(asdict(self.chosen)).encode(), dtype=np.uint8)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        def part(prefix: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

        coarse: type[CoarseQuantizer] | type[IMI] = CoarseQuantizer if "coarse.centroids" in arrays else IMI
        kinds: tuple[type[Codec], ...] = (*_PRODUCT.values(), *_OTHER.values(), ExtendedRaBitQ)
        codec = next(kind.from_arrays(part(f"codec.{kind.name}.")) for kind in kinds if part(f"codec.{kind.name}."))
        version, trained_on = (int(number) for number in arrays["version"])
        chosen = Settings(**json.loads(arrays["chosen"].tobytes())) if "chosen" in arrays else _BY_SIZE
        return cls(coarse.from_arrays(part("coarse.")), codec, version, trained_on, chosen)
