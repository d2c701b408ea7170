"""Training and calibration of the quantizers of a collection, by its stored vectors, at a flush."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alicorn.errors import ConfigError
from alicorn.index.durability.mapping import release
from alicorn.index.segment.building.documents import Documents, KeyVectors
from alicorn.index.segment.segment import Segment
from alicorn.quantization import MEASURED_FROM, KeyQuantizer, Settings, held_out, measure, should_train

_SAMPLE_PER_CLUSTER = 64  # the sample of CoarseQuantizer.fit
_SAMPLE = 131_072  # the sample of KeyQuantizer.train for the codec
_ASKED = 256  # queries kept with a key: twice as many as calibrate it
_COMPARED = 4  # leading dimensions to sort by: vectors equal in these are mostly equal


@dataclass(frozen=True)
class Training:
    """keys: the embedding keys to train; one without vectors keeps settings and queries for its first training.
    settings: for all keys; None: the stored settings of each key. The number of vectors decides settings that are not
    chosen. queries: (n, dim) float32 of unit length for calibration; None: the stored queries of each key."""

    keys: tuple[str, ...]
    settings: Settings | None = None
    queries: np.ndarray | None = None


def due(num_vectors: Mapping[str, int], quantizers: Mapping[str, KeyQuantizer]) -> tuple[str, ...]:
    """The keys whose number of vectors makes a first or another training due."""
    return tuple(key for key, one in quantizers.items() if should_train(num_vectors[key], one.trained_on))


def train(
    sources: Sequence[Documents], quantizers: Mapping[str, KeyQuantizer], version: int, training: Training
) -> dict[str, KeyQuantizer]:
    """All quantizers: those of the keys to train have a new version, fitted to a seeded sample."""
    trained = dict(quantizers)
    for key in training.keys:
        parts = [source.vectors[key] for source in sources]
        count = sum(len(part) for part in parts)
        quantizer = quantizers[key]
        quantizer = replace(quantizer, chosen=training.settings or quantizer.chosen, asked=_asked(quantizer, training))
        trained[key] = _train_key(key, parts, count, quantizer, version) if count else quantizer
    return trained


def calibrated(
    segments: Sequence[Segment], quantizers: Mapping[str, KeyQuantizer], version: int
) -> dict[str, KeyQuantizer]:
    """The quantizers; those of `version` get a calibration. segments: all segments written with them."""
    result = dict(quantizers)
    for key, quantizer in quantizers.items():
        blocks = [segment.embeddings[key] for segment in segments if key in segment.embeddings]
        if quantizer.version == version and blocks:
            result[key] = replace(quantizer, calibration=measure(blocks, quantizer.coarse.centroids, quantizer.asked))
            for block in blocks:
                release(block.vectors)
    return result


def _train_key(
    key: str,
    parts: Sequence[KeyVectors],
    count: int,
    quantizer: KeyQuantizer,
    version: int,
) -> KeyQuantizer:
    chosen = quantizer.chosen
    try:
        num_clusters = chosen.complete(count, quantizer.dim).num_clusters
        assert num_clusters is not None
        size = max(_SAMPLE, _SAMPLE_PER_CLUSTER * num_clusters)
        sample = _in_order(_sample(parts, quantizer.dim, count, size))  # the unsorted copy is large: do not keep it
        if count >= MEASURED_FROM and len(sample) >= 2 * num_clusters:
            sample = sample[~held_out(sample)]
        trained = KeyQuantizer.train(sample, version, chosen, trained_on=count, stored=quantizer.stored)
        return replace(trained, asked=quantizer.asked)
    except ConfigError as error:
        raise ConfigError(f"embedding '{key}': {error}") from error


def _asked(quantizer: KeyQuantizer, training: Training) -> np.ndarray | None:
    """Of the queries that are given a seeded sample, else those that the key has."""
    queries = training.queries
    if queries is None or len(queries) <= _ASKED:
        return quantizer.asked if queries is None else queries
    return queries[np.sort(np.random.default_rng(0).choice(len(queries), _ASKED, replace=False))]


def _sample(parts: Sequence[KeyVectors], dim: int, count: int, size: int) -> np.ndarray:
    """Draw at most `size` vectors of all parts without replacement, in their order -> (rows, dim) float32."""
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
    """The vectors sorted by value, so that training does not depend on their order in segments."""
    return vectors[np.lexsort(vectors.T[:_COMPARED])]
