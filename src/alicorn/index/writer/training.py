"""When and how are the quantizers of a collection trained and calibrated? By its stored vectors, at a flush."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alicorn.errors import ConfigError
from alicorn.index.durability.mapping import release
from alicorn.index.segment.building.documents import Documents, KeyVectors
from alicorn.index.segment.segment import Segment
from alicorn.quantization import MEASURED_FROM, KeyQuantizer, Settings, held_out, measure, should_train

_SAMPLE_PER_CLUSTER = 64  # what CoarseQuantizer.fit draws
_SAMPLE = 131_072  # what KeyQuantizer.train draws for the codec
_COMPARED = 4  # leading dimensions: vectors that agree in these are mostly equal


@dataclass(frozen=True)
class Training:
    """keys: the embedding keys to train; those without any vector stay as they are. settings: for all of them, or None
    for the stored settings of each. Settings that are not chosen follow the number of vectors.
    queries: (n, dim) float32 of unit length, to calibrate by; None: by the vectors of the key."""

    keys: tuple[str, ...]
    settings: Settings | None = None
    queries: np.ndarray | None = None


def due(num_vectors: Mapping[str, int], quantizers: Mapping[str, KeyQuantizer]) -> tuple[str, ...]:
    """The keys that have so many vectors that their quantizer should be trained, or trained again."""
    return tuple(key for key, one in quantizers.items() if should_train(num_vectors[key], one.trained_on))


def train(
    sources: Sequence[Documents], quantizers: Mapping[str, KeyQuantizer], version: int, training: Training
) -> dict[str, KeyQuantizer]:
    """Quantizers of a new version for the keys to train, from a seeded sample; the others stay."""
    trained = dict(quantizers)
    for key in training.keys:
        parts = [source.vectors[key] for source in sources]
        count = sum(len(part) for part in parts)
        if count:
            trained[key] = _train_key(key, parts, count, quantizers[key], version, training.settings)
    return trained


def calibrated(
    segments: Sequence[Segment], quantizers: Mapping[str, KeyQuantizer], version: int, queries: np.ndarray | None
) -> dict[str, KeyQuantizer]:
    """The quantizers, those of this version with a calibration. segments: all that were written with them."""
    result = dict(quantizers)
    for key, quantizer in quantizers.items():
        blocks = [segment.embeddings[key] for segment in segments if key in segment.embeddings]
        if quantizer.version == version and blocks:
            result[key] = replace(quantizer, calibration=measure(blocks, quantizer.coarse.centroids, queries))
            for block in blocks:
                release(block.vectors)
    return result


def _train_key(
    key: str,
    parts: Sequence[KeyVectors],
    count: int,
    quantizer: KeyQuantizer,
    version: int,
    settings: Settings | None,
) -> KeyQuantizer:
    chosen = quantizer.chosen if settings is None else settings
    try:
        num_clusters = chosen.complete(count, quantizer.dim).num_clusters
        assert num_clusters is not None
        size = max(_SAMPLE, _SAMPLE_PER_CLUSTER * num_clusters)
        sample = _in_order(_sample(parts, quantizer.dim, count, size))  # not both at once: it is large
        if count >= MEASURED_FROM and len(sample) >= 2 * num_clusters:
            sample = sample[~held_out(sample)]
        return KeyQuantizer.train(sample, version, chosen, trained_on=count, stored=quantizer.stored)
    except ConfigError as error:
        raise ConfigError(f"embedding '{key}': {error}") from error


def _sample(parts: Sequence[KeyVectors], dim: int, count: int, size: int) -> np.ndarray:
    """At most `size` vectors of all parts, drawn without replacement, in order -> (rows, dim) float32."""
    if count <= size:
        return np.concatenate([part.some(slice(None)) for part in parts])
    chosen = np.sort(np.random.default_rng(0).choice(count, size, replace=False))
    starts = np.cumsum([0] + [len(part) for part in parts])
    bounds = np.searchsorted(chosen, starts)
    sample = np.empty((size, dim), dtype=np.float32)
    for i, part in enumerate(parts):
        sample[bounds[i] : bounds[i + 1]] = part.some(chosen[bounds[i] : bounds[i + 1]] - starts[i])
        part.release()
    return sample


def _in_order(vectors: np.ndarray) -> np.ndarray:
    """Sorted by value, so that training on a set of vectors does not depend on their order in segments."""
    return vectors[np.lexsort(vectors.T[:_COMPARED])]
