"""What a request and a document cost: measured on a collection and a small sample of it, and a rule for more documents.

Of n documents in s shards, a request looks at

    clusters(n) + scanned(n) / s

vectors on each shard, its centroids and the documents that `:recall` comes to, and works for

    per_request + per_vector * vectors

seconds of processor; where several shards agree in rounds, the constant is per_shard, and the router adds `router`.
per_vector is the slope of searches that scan few to many documents, the constants are what remains of the searches
asked. All are processor time of this process, which a busy machine changes less than the wall's.

scanned(n): the k nearest of n documents are the k m / n nearest of a sample of m. So the collection, of m documents, is
asked for so many, and n documents are taken to scan the same share. More documents have more and smaller clusters, so
that this is an upper estimate.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection
from alicorn.errors import ConfigError
from alicorn.index.segment.building.documents import EMBEDDING
from alicorn.quantization import Settings, default_num_clusters, first_scan
from alicorn.query import Collection
from alicorn.tuning.sample import documents_of, num_vectors

QUERIES = 200
SMALL = 20_000  # documents of the sample, of which shards are made; fewer have no clusters
_SCANS = (1 / 64, 1 / 8, 1 / 2)  # of the documents, for the time of a vector
_SHARDS = 4
_TURNS = 5  # the fastest counts: what disturbs adds time
_UPSERTED = 20_000


@dataclass(frozen=True)
class PlannedSearch:
    """The nearest documents of a key. recall: mean share of the k nearest that is found. scan: documents to scan,
    instead of what the recall comes to."""

    key: str
    k: int
    recall: float
    scan: int | None = None

    @property
    def expression(self) -> str:
        limit = f":recall {self.recall:g}" if self.scan is None else f":scan {self.scan}"
        return f"(nn {self.key} :k {self.k} {limit})"


@dataclass(frozen=True)
class Kept:
    """How vectors are kept: "float32", "float16" or "codes", and by which settings they are quantized."""

    stored: str = "float32"
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True, eq=False)
class Cost:
    """Of a request and of `documents`. scanned: (queries,) float64, documents that each request scans, in all shards
    together. asked_for: the k of the searches
    that said so, 0 where it was given. bytes_per_document: of segments, but for centroids of dim.
    Seconds of processor: per_request and per_vector; with shards per_shard, of each, and router."""

    documents: float
    scanned: np.ndarray
    asked_for: int
    dim: int
    bytes_per_document: float
    per_request: float
    per_vector: float
    per_shard: float
    router: float

    @property
    def seconds(self) -> np.ndarray:
        """Of processor, in one collection, of each request: (queries,) float64."""
        return self._seconds(self.per_request, 1)

    def shard_seconds(self, shards: int) -> np.ndarray:
        """The same on one of the shards behind a router."""
        return self._seconds(self.per_shard, shards)

    def _seconds(self, fixed: float, shards: int) -> np.ndarray:
        result: np.ndarray = fixed + self.per_vector * (clusters_of(self.documents) + self.scanned / shards)
        return result

    def num_bytes(self, shards: int) -> float:
        """Of one shard's segments; each shard has all centroids."""
        return self.bytes_per_document * self.documents / shards + _bytes_of_centroids(self.documents, self.dim)

    def scanning(self, mean: float) -> Cost:
        """Where a mean request scans so many documents."""
        return replace(self, scanned=self.scanned * (mean / self.scanned.mean()), asked_for=0)

    def on(self, speed: float) -> Cost:
        """On processors that are so many times as fast."""
        names = ("per_request", "per_vector", "per_shard", "router")
        return replace(self, **{name: getattr(self, name) / speed for name in names})


def measured_cost(collection: Collection, asked: PlannedSearch, documents: float, seed: int = 0) -> Cost:
    """Measure in the collection, and in a sample that is removed again, what `documents` like those would cost.

    The queries are documents. Raises ConfigError for a key that is not there or has too few documents.
    """
    if asked.key not in collection.embeddings:
        known = ", ".join(collection.embeddings) or "none: there is no embedding"
        raise ConfigError(f"key must be one of {known}, got {asked.key!r}")
    _, vectors = documents_of(collection.snapshot(), asked.key, SMALL + QUERIES, seed)
    if len(vectors) < SMALL + QUERIES:
        raise ConfigError(
            f"a plan is measured on {SMALL + QUERIES:,} documents or more with the embedding {asked.key!r}, got"
            f" {len(vectors):,}: give a larger collection"
        )
    vectors = np.random.default_rng(seed).permutation(vectors)
    queries, sample = vectors[:QUERIES], vectors[QUERIES:]
    quantizer = collection.snapshot().quantizers[asked.key]
    kept = Kept(quantizer.stored, replace(quantizer.chosen, num_clusters=None))
    with indexed(sample, asked.key, kept) as small:
        per_vector = slope_of(np.concatenate([_work(one, asked.key, queries) for one in (small, collection)]))
        per_request = float(np.mean([_constant(one, asked, queries, per_vector) for one in (small, collection)]))
        one, four = (sharded_seconds(small, asked, queries, shards) for shards in (1, _SHARDS))
        scanned = float(documents_scanned(small, asked, queries).mean())
    of_shard = (four - one) / (_SHARDS - 1)
    size = num_vectors(collection.snapshot(), asked.key)
    nearest = replace(asked, k=max(1, round(asked.k * size / documents)) + 1)  # a query is a document: one more
    return Cost(
        documents=documents,
        scanned=np.maximum(documents_scanned(collection, nearest, queries) * documents / size, first_scan(asked.k)),
        asked_for=nearest.k - 1,
        dim=vectors.shape[1],
        bytes_per_document=bytes_per_document(collection, vectors.shape[1]),
        per_request=per_request,
        per_vector=per_vector,
        per_shard=max(per_request, of_shard - per_vector * clusters_of(SMALL)),
        router=max(0.0, one - of_shard - per_vector * scanned),
    )


def _work(collection: Collection, key: str, queries: np.ndarray) -> np.ndarray:
    """Vectors looked at and seconds of searches for ten documents that scan few to many: (n, 2) float64."""
    found = []
    for share in _SCANS:
        asked = PlannedSearch(key, 10, 1.0, scan=int(share * len(collection)))
        found.append((_vectors(collection, asked, queries), seconds_of(collection, asked, queries)))
    return np.array(found)


def _constant(collection: Collection, asked: PlannedSearch, queries: np.ndarray, per_vector: float) -> float:
    """Seconds of a search beside those of its vectors: parsing, keeping the k nearest, naming them."""
    return max(0.0, seconds_of(collection, asked, queries) - per_vector * _vectors(collection, asked, queries))


def _vectors(collection: Collection, asked: PlannedSearch, queries: np.ndarray) -> float:
    return clusters_of(len(collection)) + float(documents_scanned(collection, asked, queries).mean())


def clusters_of(documents: float) -> int:
    return default_num_clusters(int(documents))


def slope_of(work: np.ndarray) -> float:
    """Of the line with the least relative errors, through the origin at the lowest. work: (n, 2), vectors, seconds."""
    vectors, seconds = work.T
    line = np.stack([1 / seconds, vectors / seconds], axis=1)
    constant, slope = np.linalg.lstsq(line, np.ones(len(work)), rcond=None)[0]
    return float(slope if constant >= 0 else seconds.mean() / vectors.mean())


@contextmanager
def indexed(vectors: np.ndarray, key: str, kept: Kept) -> Iterator[Collection]:
    """A trained collection of the vectors, with one key; it is removed again."""
    with tempfile.TemporaryDirectory() as folder:
        declared = {key: {"dim": vectors.shape[1], "stored": kept.stored}}
        with Collection.create(Path(folder) / "sample", declared) as collection:
            for start in range(0, len(vectors), _UPSERTED):
                part = vectors[start : start + _UPSERTED]
                flat = pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), part.shape[1])
                names = pa.array([str(row) for row in range(start, start + len(part))])
                collection.upsert(pa.table({"doc_id": names, EMBEDDING + key: flat}))
            collection.merge()
            collection.train(**asdict(kept.settings), key=key)
        with Collection.open(Path(folder) / "sample", read_only=True) as collection:  # closed once, it has no old files
            yield collection


def documents_scanned(collection: Collection, asked: PlannedSearch, queries: np.ndarray) -> np.ndarray:
    """As `explain` counts them: (queries,) float64. It is the same on every machine."""
    counts = []
    for query in queries:
        explanation = collection.search(asked.expression, {asked.key: query}, limit=1, explain=True).explanation
        assert explanation is not None
        assert explanation.counters is not None
        counts.append(explanation.counters.documents_scanned or explanation.counters.exact_distances)
    return np.array(counts, dtype=np.float64)


def seconds_of(collection: Collection | ShardedCollection, asked: PlannedSearch, queries: np.ndarray) -> float:
    """Seconds of processor of a search, all threads of this process together: a mean of the fastest of some turns."""
    took = []
    for _ in range(_TURNS + 1):  # the first one finds its pages not mapped yet
        started = time.process_time()
        for query in queries:
            collection.search(asked.expression, {asked.key: query}, limit=asked.k)
        took.append(time.process_time() - started)
    return min(took[1:]) / len(queries)


def sharded_seconds(collection: Collection, asked: PlannedSearch, queries: np.ndarray, shards: int) -> float:
    """The same over shards of the collection: router and all shards."""
    with tempfile.TemporaryDirectory() as folder:
        publish_shards(collection, folder, shards)
        with ShardedCollection.open(folder) as sharded:
            return seconds_of(sharded, asked, queries)


def bytes_per_document(collection: Collection, dim: int) -> float:
    """Of the files of segments, without centroids. The log of writes, which a flush empties, is not counted."""
    files = sum(file.stat().st_size for file in collection.path.rglob("*.zip"))
    return (files - _bytes_of_centroids(len(collection), dim)) / len(collection)


def _bytes_of_centroids(documents: float, dim: int) -> float:
    return 4.0 * dim * clusters_of(documents)
