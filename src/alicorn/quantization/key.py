"""The quantizer of an embedding key: a coarse quantizer and a codec of residuals, trained together, versioned.

A vector is stored as its cluster and the code of its residual, vector - centroid (EBR 4.2: cluster term and payload),
or as its cluster and its Int8 code, if only codes are stored.
Segments, the memtable and shards share it, so a document's cluster and code depend on its vector alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np

from alicorn.errors import CollectionError, ConfigError
from alicorn.quantization.calibration import Calibration
from alicorn.quantization.coarse.imi import IMI
from alicorn.quantization.coarse.ivf import CoarseQuantizer
from alicorn.quantization.codecs import CHOICES, CODECS, Codec, Int8, NoCodec, NoEstimate
from alicorn.quantization.codecs.int8 import PlaneRows
from alicorn.quantization.codes import Codes
from alicorn.quantization.settings import CODES, FLOAT16, FLOAT32, Settings
from alicorn.quantization.stored import Float16Rows, Float32Rows

Coarse = CoarseQuantizer | IMI
ROWS: dict[str, type[Float32Rows | Float16Rows | PlaneRows]] = {
    FLOAT32: Float32Rows,
    FLOAT16: Float16Rows,
    CODES: PlaneRows,
}
"""The class by which compiled loops read stored vectors, for each way of storing them."""
_CODES_OF_VECTORS = Int8  # the codec of a key that stores codes alone, and of no other key
_BESIDE_VECTORS = [codec for codec in CODECS.values() if codec is not _CODES_OF_VECTORS]
ROWS_AND_QUERIES: tuple[tuple[type, type], ...] = tuple(
    dict.fromkeys(
        (rows, query)
        for stored, rows in ROWS.items()
        for codec in ([_CODES_OF_VECTORS] if stored == CODES else _BESIDE_VECTORS)
        for query in (codec.Query, NoEstimate)
    )
)
"""The classes of stored rows and of prepared queries that meet in a search: a loop is compiled for each pair."""
_COARSE: dict[str, type[CoarseQuantizer] | type[IMI]] = {kind.name: kind for kind in (CoarseQuantizer, IMI)}

_BLOCK = 65_536
_TRAINING_RESIDUALS = 65_536
_BY_SIZE = Settings()


@dataclass(frozen=True)
class KeyQuantizer:
    """version 0 is untrained; trained_on counts the vectors of the key when it was trained.

    chosen: the settings that a user chose, which apply to later trainings; the others follow the number of vectors.
    stored: how the vectors are kept, one of settings.STORED; with CODES the codec is Int8, trained or not.
    calibration: of `:recall`; None if there were too few vectors to measure it. asked: (n, dim) float32 of unit length,
    the queries by which this and later trainings calibrate it; None: by vectors of the key.
    """

    coarse: Coarse
    codec: Codec
    version: int
    trained_on: int
    chosen: Settings = _BY_SIZE
    stored: str = FLOAT32
    calibration: Calibration | None = None
    asked: np.ndarray | None = None

    @property
    def dim(self) -> int:
        result: int = self.coarse.dim
        return result

    @property
    def vector_bytes(self) -> int:
        """The bytes of a stored vector."""
        if self.stored == CODES:
            return self.codec.code_size
        return self.dim * (2 if self.stored == FLOAT16 else 4)

    @property
    def num_clusters(self) -> int:
        return self.coarse.num_clusters

    @classmethod
    def untrained(cls, dim: int, stored: str = FLOAT32) -> Self:
        """One cluster, and no codes but those that are the vectors: every search is exact."""
        codec = _CODES_OF_VECTORS(dim) if stored == CODES else NoCodec(dim)
        return cls(CoarseQuantizer.single(dim), codec, version=0, trained_on=0, stored=stored)

    @property
    def settings(self) -> Settings:
        """The settings it was trained with, every value filled in."""
        sizes = {} if self.codec.option is None else {self.codec.option: self.codec.size}
        return Settings(self.coarse.name, self.num_clusters, self.codec.choice, **sizes)

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

        trained_on: how many vectors the key has, which decides the settings that are not chosen; n by default.
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
            return cls(coarse, _CODES_OF_VECTORS(dim), version, trained_on or count, chosen, stored)
        if count > _TRAINING_RESIDUALS:
            vectors = vectors[np.sort(np.random.default_rng(seed).choice(count, _TRAINING_RESIDUALS, replace=False))]
        residuals = vectors - coarse.centroids[coarse.assign(vectors)]
        kind = CHOICES[settings.codec]
        size = getattr(settings, kind.option) if kind.option else None
        return cls(coarse, kind.train(residuals, size, seed), version, trained_on or count, chosen, stored)

    def assign(self, vectors: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n,) int32 clusters."""
        return self.coarse.assign(vectors)

    def encode(self, vectors: np.ndarray, clusters: np.ndarray) -> Codes:
        """Codes of the residuals, or of the vectors where the codec codes those, and how far each may be off.

        vectors: (n, dim) float32 unit rows; clusters: (n,) int, read for residuals only.
        """
        codes = Codes.empty(len(vectors), self.codec)
        for start in range(0, len(vectors), _BLOCK):
            block = slice(start, start + _BLOCK)
            points = vectors[block]
            if self.codec.of_residuals:
                points = points - self.coarse.centroids[clusters[block]]
            whole = self.codec.encode(points)
            errors = self.codec.errors(points, whole)
            codes.codes[block], codes.fine[block] = np.hsplit(whole, [self.codec.scan_size])
            codes.errors[block], codes.fine_errors[block] = errors[:, 0], errors[:, 1:]
        return codes

    def decode(self, codes: Codes) -> np.ndarray:
        """Where nothing but codes is stored, the vectors that they are -> (n, dim) float32 unit rows."""
        assert self.stored == CODES
        return self.codec.decode(np.hstack([codes.codes, codes.fine]))

    def stored_rows(self, vectors: np.ndarray, codes: Codes) -> Float32Rows | Float16Rows | PlaneRows:
        """Stored vectors as compiled loops read them. vectors: as stored; codes: of the same rows."""
        return ROWS[self.stored].of(vectors, codes, self.dim)

    def exact_query(self, queries: np.ndarray) -> np.ndarray:
        """Queries as stored rows are compared with them. (..., dim) float32."""
        return ROWS[self.stored].queries(queries)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything needed to rebuild it: what index/ writes to the quantizer's file."""
        arrays = {f"coarse.{name}": array for name, array in self.coarse.to_arrays().items()}
        arrays |= {f"codec.{name}": array for name, array in self.codec.to_arrays().items()}
        arrays |= {"coarse": _as_array(self.coarse.name), "codec": _as_array(self.codec.name)}
        arrays["version"] = np.array([self.version, self.trained_on], dtype=np.int64)
        if self.calibration is not None:
            arrays |= {f"calibration.{name}": array for name, array in self.calibration.to_arrays().items()}
        if self.stored != FLOAT32:
            arrays["stored"] = _as_array(self.stored)
        if self.asked is not None:
            arrays["asked"] = self.asked
        arrays["chosen"] = np.frombuffer(json.dumps(asdict(self.chosen), allow_nan=False).encode(), dtype=np.uint8)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        def part(prefix: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

        if "codec" not in arrays:
            raise CollectionError(
                "a quantizer's file does not name its codec: an earlier working copy of alicorn wrote it. Publish the"
                " collection again with this one."
            )
        coarse = _COARSE[_as_text(arrays["coarse"])].from_arrays(part("coarse."))
        codec = CODECS[_as_text(arrays["codec"])].from_arrays(part("codec."))
        version, trained_on = (int(number) for number in arrays["version"])
        chosen = Settings(**json.loads(_as_text(arrays["chosen"]))) if "chosen" in arrays else _BY_SIZE
        stored = _as_text(arrays["stored"]) if "stored" in arrays else FLOAT32
        measured = part("calibration.")
        calibration = Calibration.from_arrays(measured) if "slopes" in measured else None  # of an earlier rule: none
        return cls(coarse, codec, version, trained_on, chosen, stored, calibration, arrays.get("asked"))


def _as_array(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _as_text(array: np.ndarray) -> str:
    return array.tobytes().decode()
