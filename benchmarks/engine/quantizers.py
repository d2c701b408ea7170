"""Which coarse quantizer and which code lose least? At equal documents scanned, and at equal bytes.

    python benchmarks/engine/quantizers.py [--documents 200000] [--dim 128] [--queries 1000] [--cache DIR]

Coarse: documents to scan until that share of the exact 10 nearest is in the clusters looked at, nearest clusters first.
Two variants are added to those of the package: k-means as Faiss is usually called, and an IMI whose half-centroids keep
the lengths of their means. Codes: over the residuals of one coarse quantizer; `loss` is the mean of |vector - decoded|,
`error` that of |estimate - inner product| over queries and documents, `bound` what a collection stores to be safe, and
`settled` how many stored vectors an exact search for 10 reads besides, best documents first.
"""

import argparse
import math
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import faiss
import numpy as np
from harness.vectors import make

from alicorn.quantization import (
    IMI,
    OPQ,
    PCAPQ,
    PQ,
    SQ8,
    CoarseQuantizer,
    ExtendedRaBitQ,
    KeyQuantizer,
    RaBitQ,
    default_num_clusters,
)
from alicorn.quantization.coarse.ivf import spherical_kmeans
from alicorn.quantization.settings import default_num_cells

SHARES = (0.9, 0.95, 0.99)
K = 10


class FreeIMI:
    """k-means of each half by Euclidean distance, centroids of any length; cells by summed squared distance."""

    name = "imi, free lengths"

    def __init__(self, vectors: np.ndarray, num_cells: int) -> None:
        self.num_clusters = num_cells
        self.half = vectors.shape[1] // 2
        self.halves = [self._kmeans(part, math.isqrt(num_cells)) for part in self._parts(vectors)]

    def assign(self, vectors: np.ndarray) -> np.ndarray:
        first, second = (distances.argmin(axis=1) for distances in self._distances(vectors))
        return first * len(self.halves[0]) + second

    def cosines(self, query: np.ndarray) -> np.ndarray:
        """Not cosines, but what orders the cells."""
        first, second = self._distances(query[None])
        return -(first[0][:, None] + second[0]).ravel()

    def _distances(self, vectors: np.ndarray) -> list[np.ndarray]:
        return [_square_distances(part, half) for part, half in zip(self._parts(vectors), self.halves, strict=True)]

    def _parts(self, vectors: np.ndarray) -> list[np.ndarray]:
        return [np.ascontiguousarray(vectors[:, : self.half]), np.ascontiguousarray(vectors[:, self.half :])]

    def _kmeans(self, part: np.ndarray, count: int) -> np.ndarray:
        kmeans = faiss.Kmeans(part.shape[1], count, niter=8, max_points_per_centroid=256, seed=1)
        kmeans.train(part)
        return kmeans.centroids


def _square_distances(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    return np.square(centroids).sum(axis=1) - 2 * points @ centroids.T


def plain_kmeans(vectors: np.ndarray, num_clusters: int) -> CoarseQuantizer:
    """Ten rounds over 64 vectors per cluster, in one stage."""
    return CoarseQuantizer(spherical_kmeans(vectors, num_clusters, 0, ((64, 10),)))


def scanned(coarse, clusters: np.ndarray, queries: np.ndarray, nearest: np.ndarray) -> list[float]:
    """Mean documents scanned where that share of the nearest documents is found, for each of SHARES.

    clusters: (n,) of the documents; nearest: (num_queries, K) document numbers.
    """
    sizes = np.bincount(clusters, minlength=coarse.num_clusters)
    found = np.zeros(coarse.num_clusters)
    read = np.zeros(coarse.num_clusters)
    for query, wanted in zip(queries, nearest, strict=True):
        order = np.argsort(-coarse.cosines(query), kind="stable")
        read += np.cumsum(sizes[order])
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        found += np.cumsum(np.bincount(place[clusters[wanted]], minlength=len(order)))
    recall = found / nearest.size
    return [float(np.interp(share, recall, read / len(queries))) for share in SHARES]


def coarse_table(vectors: np.ndarray, queries: np.ndarray, nearest: np.ndarray) -> None:
    clusters, cells = default_num_clusters(len(vectors)), default_num_cells(len(vectors))
    kinds: list[tuple[str, int, Callable]] = [
        ("ivf, one stage", clusters, plain_kmeans),
        ("ivf", clusters, CoarseQuantizer.fit),
        *(("ivf", count, CoarseQuantizer.fit) for count in (clusters // 4, clusters * 4)),
        *(("imi", count, IMI.fit) for count in (cells, cells * 4, cells * 16) if count <= 65_536),
        *((FreeIMI.name, count, FreeIMI) for count in (cells, cells * 4, cells * 16) if count <= 65_536),
    ]
    print(
        "| coarse | clusters | training | assigning | with at most 3 documents | largest |"
        + "".join(f" {share:.0%} |" for share in SHARES)
        + "\n|---|---|---|---|---|---|"
        + "---|" * len(SHARES)
    )
    for name, count, fit in kinds:
        started = time.perf_counter()
        coarse = fit(vectors, count)
        trained = time.perf_counter()
        assigned = coarse.assign(vectors)
        assigning_us = (time.perf_counter() - trained) / len(vectors) * 1e6
        sizes = np.bincount(assigned, minlength=count)
        row = [
            *(name, f"{count:,}", f"{trained - started:.1f} s", f"{assigning_us:.1f} us"),
            *(f"{(sizes <= 3).mean():.0%}", f"{sizes.max():,}"),
            *(f"{read:,.0f}" for read in scanned(coarse, assigned, queries, nearest)),
        ]
        print("| " + " | ".join(row) + " |", flush=True)


def code_table(vectors: np.ndarray, queries: np.ndarray) -> None:
    """Every codec over the residuals of one coarse quantizer."""
    coarse = CoarseQuantizer.fit(vectors, default_num_clusters(len(vectors)))
    clusters = coarse.assign(vectors)
    residuals = vectors - coarse.centroids[clusters]
    dim = vectors.shape[1]
    fits: dict[str, Callable] = {
        "rabitq, 1 bit": RaBitQ.fit,
        **{f"rabitq, {bits} bits": partial(ExtendedRaBitQ.fit, bits=bits) for bits in range(2, 9)},
        "sq8": SQ8.fit,
    }
    for size in (dim // 8, dim // 4, dim // 2):
        fits |= {f"{kind.name}, {size} bytes": partial(kind.fit, code_size=size) for kind in (PQ, PCAPQ, OPQ)}
    print("\n| code | bytes | training | encoding | loss | error | bound | settled |\n" + "|---" * 8 + "|")
    for name, fit in fits.items():
        started = time.perf_counter()
        codec = fit(residuals)
        trained = time.perf_counter()
        parts = KeyQuantizer(coarse, codec, 1, len(vectors)).encode(vectors, clusters)
        encoding_us = (time.perf_counter() - trained) / len(vectors) * 1e6
        codes = np.hstack([parts.codes, parts.fine])
        bounds = parts.fine_errors[:, 0] if parts.fine.size else parts.errors
        loss = np.linalg.norm(codec.decode(codes) - residuals, axis=1).mean()
        errors, settled = [], []
        for query in queries:
            estimates = codec.decode(codes) @ query + coarse.cosines(query)[clusters]
            exact = vectors @ query
            errors.append(np.abs(estimates - exact).mean())
            settled.append(np.count_nonzero(estimates + bounds >= np.partition(exact, -K)[-K]))
        cells = [
            *(name, str(codec.code_size), f"{trained - started:.1f} s", f"{encoding_us:.1f} us"),
            *(f"{loss:.4f}", f"{np.mean(errors):.5f}", f"{bounds.mean():.4f}", f"{np.mean(settled):,.0f}"),
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "alicorn-benchmarks")
    parsed = parser.parse_args(arguments)
    data = make(parsed.cache, parsed.documents, parsed.dim)
    vectors = np.array(data.vectors)
    rng = np.random.default_rng(5)
    queries = data.mixture.near(rng.choice(data.clusters, parsed.queries), rng)
    nearest = np.vstack([np.argpartition(-(vectors @ query), K)[:K] for query in queries])
    print(f"{len(vectors):,} documents of {parsed.dim} dimensions, {len(queries):,} queries, k = {K}\n", flush=True)
    coarse_table(vectors, queries, nearest)
    code_table(vectors, queries[:50])


if __name__ == "__main__":
    main()
