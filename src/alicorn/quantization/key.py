"""What a collection keeps per embedding key: a coarse quantizer and a codec of residuals, trained together, versioned.

A vector is stored as its cluster and the code of its residual, vector - centroid (EBR 4.2: cluster term and payload),
or as its cluster and its Int8 code, where that is all that is kept of it.
Segments, the memtable and shards share it, so a document's cluster and code depend on its vector alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np

from alicorn.errors import ConfigError
from alicorn.quantization.coarse.imi import IMI
from alicorn.quantization.coarse.ivf import CoarseQuantizer
from alicorn.quantization.codecs.extended_rabitq import ExtendedRaBitQ
from alicorn.quantization.codecs.int8 import Int8
from alicorn.quantization.codecs.none import NoCodec
from alicorn.quantization.codecs.opq import OPQ
from alicorn.quantization.codecs.pca_pq import PCAPQ
from alicorn.quantization.codecs.pq import PQ
from alicorn.quantization.codecs.rabitq import RaBitQ
from alicorn.quantization.codecs.sq8 import SQ8
from alicorn.quantization.codes import Codes
from alicorn.quantization.settings import CODES, FLOAT16, FLOAT32, PRODUCT_CODECS, Settings

Coarse = CoarseQuantizer | IMI
Codec = NoCodec | SQ8 | Int8 | PQ | OPQ | PCAPQ | RaBitQ | ExtendedRaBitQ
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
    stored: how the vectors are kept, one of settings.STORED; with CODES the codec is Int8, trained or not.
    """

    coarse: Coarse
    codec: Codec
    version: int
    trained_on: int
    chosen: Settings = _BY_SIZE
    stored: str = FLOAT32

    @property
    def dim(self) -> int:
        return self.coarse.dim

    @property
    def vector_bytes(self) -> int:
        """What a stored vector takes."""
        if self.stored == CODES:
            return self.codec.code_size
        return self.dim * (2 if self.stored == FLOAT16 else 4)

    @property
    def num_clusters(self) -> int:
        return self.coarse.num_clusters

    @classmethod
    def untrained(cls, dim: int, stored: str = FLOAT32) -> Self:
        """One cluster, and no codes but those that are the vectors: every search is exact."""
        codec = Int8(dim) if stored == CODES else NoCodec(dim)
        return cls(CoarseQuantizer.single(dim), codec, version=0, trained_on=0, stored=stored)

    @property
    def settings(self) -> Settings:
        """What it was trained with, every value filled in."""
        codec = self.codec
        if isinstance(codec, Int8):
            return Settings(self.coarse.name, self.num_clusters)
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
        stored: str = FLOAT32,
    ) -> Self:
        """Train on vectors of a key, or on a sample of them. vectors: (n, dim) float32 unit rows, n >= 1.

        trained_on: how many vectors the key has, whose number decides what is not chosen; n where not given.
        Raises ConfigError for settings that such vectors cannot be trained with.
        """
        count, dim = vectors.shape
        if stored == CODES and (chosen.codec or chosen.pq_bytes or chosen.bits):
            raise ConfigError(
                "nothing but codes of 8 bits is stored, and they are what a scan reads: leave codec, pq_bytes and bits"
                " out"
            )
        settings = chosen.complete(trained_on or count, dim)
        assert settings.coarse is not None
        assert settings.codec is not None
        assert settings.num_clusters is not None
        coarse = _COARSE[settings.coarse].fit(vectors, settings.num_clusters, seed)
        if stored == CODES:
            return cls(coarse, Int8(dim), version, trained_on or count, chosen, stored)
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
        return cls(coarse, codec, version, trained_on or count, chosen, stored)

    def assign(self, vectors: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n,) int32 clusters."""
        return self.coarse.assign(vectors)

    def encode(self, vectors: np.ndarray, clusters: np.ndarray) -> Codes:
        """Codes of the residuals, or of the vectors where the codec is Int8, and how far each decodes from its vector.

        vectors: (n, dim) float32 unit rows; clusters: (n,) int, not read for Int8.
        """
        count = len(vectors)
        codes = Codes.empty(count, self.codec)
        if isinstance(self.codec, NoCodec):
            codes.errors[:] = 0
            return codes
        for start in range(0, count, _BLOCK):
            block = slice(start, start + _BLOCK)
            if isinstance(self.codec, Int8):
                whole = self.codec.encode(vectors[block])
                codes.codes[block], codes.fine[block] = np.hsplit(whole, [self.codec.scan_size])
                codes.errors[block] = self.codec.scan_errors(whole) * 1.0001 + _ROUNDING
                continue
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

    def decode(self, codes: Codes) -> np.ndarray:
        """Of Int8 codes, the vectors that they are -> (n, dim) float32 unit rows."""
        assert isinstance(self.codec, Int8)
        return self.codec.decode(np.hstack([codes.codes, codes.fine]))

    def _distances(self, residuals: np.ndarray, codes: np.ndarray) -> np.ndarray:
        return np.linalg.norm(residuals - self.codec.decode(codes), axis=1) * 1.0001 + _ROUNDING

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything needed to rebuild it: what index/ writes to the quantizer's file."""
        arrays = {f"coarse.{name}": array for name, array in self.coarse.to_arrays().items()}
        arrays |= {f"codec.{self.codec.name}.{name}": array for name, array in self.codec.to_arrays().items()}
        arrays["version"] = np.array([self.version, self.trained_on], dtype=np.int64)
        if self.stored != FLOAT32:
            arrays["stored"] = np.frombuffer(self.stored.encode(), dtype=np.uint8)
        arrays["chosen"] = np.frombuffer(json.dumps(asdict(self.chosen), allow_nan=False).encode(), dtype=np.uint8)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        def part(prefix: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

        coarse: type[CoarseQuantizer] | type[IMI] = CoarseQuantizer if "coarse.centroids" in arrays else IMI
        kinds: tuple[type[Codec], ...] = (*_PRODUCT.values(), *_OTHER.values(), ExtendedRaBitQ, Int8)
        codec = next(kind.from_arrays(part(f"codec.{kind.name}.")) for kind in kinds if part(f"codec.{kind.name}."))
        version, trained_on = (int(number) for number in arrays["version"])
        chosen = Settings(**json.loads(arrays["chosen"].tobytes())) if "chosen" in arrays else _BY_SIZE
        stored = arrays["stored"].tobytes().decode() if "stored" in arrays else FLOAT32
        return cls(coarse.from_arrays(part("coarse.")), codec, version, trained_on, chosen, stored)
