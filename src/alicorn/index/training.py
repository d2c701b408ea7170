"""When and how are the quantizers of a collection trained? From its stored vectors, at a flush. Used by store.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alicorn.errors import ConfigError
from alicorn.index.documents import Documents, KeyVectors
from alicorn.index.mapping import release
from alicorn.quantization import KeyQuantizer, default_num_clusters, should_train

CODECS = ("none", "sq8", "opq")
_OPQ_VECTORS = 256  # at least so many train 8-bit codebooks
_SAMPLE_PER_CLUSTER = 64  # what CoarseQuantizer.fit draws
_SAMPLE = 131_072  # what KeyQuantizer.train draws for the codec


@dataclass(frozen=True)
class Training:
    """num_clusters: by the number of vectors when None; codec: one of CODECS, that of the key when None;
    pq_bytes: code size of "opq", a quarter of the dimension when None."""

    num_clusters: int | None = None
    codec: str | None = None
    pq_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.codec is not None and self.codec not in CODECS:
            raise ConfigError(f"codec must be one of {', '.join(CODECS)}, got {self.codec!r}")
        for name, value in (("num_clusters", self.num_clusters), ("pq_bytes", self.pq_bytes)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ConfigError(f"{name} must be an integer of at least 1, got {value!r}")


def due(num_vectors: Mapping[str, int], quantizers: Mapping[str, KeyQuantizer]) -> bool:
    """Whether any key has so many vectors that its quantizer should be trained, or trained again."""
    return any(should_train(num_vectors[key], quantizer.trained_on) for key, quantizer in quantizers.items())


def train(
    sources: Sequence[Documents], quantizers: Mapping[str, KeyQuantizer], version: int, training: Training
) -> dict[str, KeyQuantizer]:
    """Quantizers of a new version for every key that has vectors, from a seeded sample; the others stay."""
    trained = dict(quantizers)
    for key, quantizer in quantizers.items():
        parts = [source.vectors[key] for source in sources]
        count = sum(len(part) for part in parts)
        if count:
            trained[key] = _train_key(key, parts, count, quantizer, version, training)
    return trained


def _train_key(
    key: str, parts: Sequence[KeyVectors], count: int, quantizer: KeyQuantizer, version: int, training: Training
) -> KeyQuantizer:
    codec, pq_bytes = training.codec, training.pq_bytes
    if codec is None:
        codec = "sq8" if quantizer.version == 0 else quantizer.codec.name
        pq_bytes = quantizer.codec.code_size if codec == "opq" else None
    if codec == "opq" and count < _OPQ_VECTORS:
        raise ConfigError(f"embedding '{key}' has {count} vectors, codec 'opq' needs {_OPQ_VECTORS}: use 'sq8'")
    if pq_bytes is not None and quantizer.dim % pq_bytes:
        raise ConfigError(f"pq_bytes must divide the dimension of '{key}', {quantizer.dim}; got {pq_bytes}")
    num_clusters = min(count, training.num_clusters or default_num_clusters(count))
    sample = _sample(parts, count, max(_SAMPLE, _SAMPLE_PER_CLUSTER * num_clusters))
    trained = KeyQuantizer.train(sample, version, num_clusters=num_clusters, codec=codec, pq_bytes=pq_bytes)
    return replace(trained, trained_on=count)


def _sample(parts: Sequence[KeyVectors], count: int, size: int) -> np.ndarray:
    """At most `size` vectors of all parts, drawn without replacement, in order -> (rows, dim) float32."""
    if count <= size:
        return np.concatenate([part.some(slice(None)) for part in parts])
    chosen = np.sort(np.random.default_rng(0).choice(count, size, replace=False))
    starts = np.cumsum([0] + [len(part) for part in parts])
    bounds = np.searchsorted(chosen, starts)
    sample = np.empty((size, parts[0].vectors.shape[1]), dtype=np.float32)
    for i, part in enumerate(parts):
        sample[bounds[i] : bounds[i + 1]] = part.some(chosen[bounds[i] : bounds[i + 1]] - starts[i])
        release(part.vectors)
    return sample
