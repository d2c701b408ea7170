"""Tune one embedding key: sample, try the grid on a copy, recommend, and apply where asked. The way in: tune()."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.errors import ConfigError
from alicorn.quantization import Settings
from alicorn.query import Collection
from alicorn.tuning.grid import Grid
from alicorn.tuning.measure import Point, Truth, calibrated_recall, measure, nearest_scores
from alicorn.tuning.recommend import for_collection, recommend
from alicorn.tuning.sample import Queries, documents_of, num_vectors, read_queries, sampled_queries

MAX_QUERIES = 10_000
_UPSERTED = 100_000  # rows a table: at 128 dimensions 51 MB
_ALL_FOUND = 0.999  # recall from which looking in more clusters shows nothing new
_NO_GRID = Grid()


@dataclass(frozen=True)
class Tuning:
    """What was measured, and what follows.

    points: of the copy, setting after setting, nprobe rising. recommended: one of them, None where none reaches the
    target. settings: its settings for the whole collection. applied: points of the collection itself after training
    with them, nprobe rising, empty where nothing was applied. calibrated: recall that `:recall target_recall` reaches
    on the collection where applied.
    """

    key: str
    dim: int
    k: int
    target_recall: float
    num_queries: int
    queries_are_documents: bool
    num_vectors: int
    num_measured: int
    seed: int
    points: tuple[Point, ...]
    recommended: Point | None
    settings: Settings | None
    applied: tuple[Point, ...] = ()
    calibrated: float | None = None

    @property
    def expression(self) -> str | None:
        """What to ask, or to write into the vertical's hybrid expression."""
        return None if self.recommended is None else f"(nn {self.key} :k {self.k} :recall {self.target_recall:g})"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"expression": self.expression}


def tune(
    collection: Collection,
    key: str,
    queries: Path | None = None,
    *,
    sample: int = 200,
    documents: int = 100_000,
    grid: Grid = _NO_GRID,
    k: int = 10,
    target_recall: float = 0.95,
    apply: bool = False,
    scratch: Path | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tuning:
    """Measure a grid of quantizer settings on the vectors of a collection, and recommend one.

    queries: Parquet of vectors, at most `sample` of which are used; None: `sample` of the documents, each without
    itself. documents: at most so many are copied and measured on; of more, a seeded sample, for which numbers of
    clusters count as multiples of the default. k: of recall@k. apply: train the key with what is recommended, calibrate
    `:recall` by the queries given, and measure nprobe and `:recall` on the collection itself; nothing is changed where
    no point reaches the target.
    scratch: folder for the copy, which is removed. on_progress(done, total): settings measured.
    Memory: the copied vectors some four times over. Raises AlicornError for what cannot be done, before the grid.
    """
    _check(sample, documents, k, target_recall)
    if apply and collection.read_only:
        raise ConfigError("the collection was opened for reading only: open it for writing to apply settings")
    snapshot = collection.snapshot()
    total = num_vectors(snapshot, key)
    ids, vectors = documents_of(snapshot, key, documents, seed)
    dim = vectors.shape[1]
    stored = collection.stored[key]
    settings = grid.settings(len(ids), dim, stored)
    if queries is None:
        asked = sampled_queries(ids, vectors, sample, seed)
    else:
        asked = read_queries(queries, key, dim, sample, seed)
    aim = _Aim(key, stored, asked, grid, k, target_recall)
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".tuning-") as folder:
        points = aim.compare(Path(folder) / "copy", ids, vectors, settings, on_progress)
    best = recommend(points, target_recall)
    whole = None if best is None else for_collection(best.settings, len(ids), total)
    applied, calibrated = ([], None) if whole is None or not apply else aim.apply(collection, whole)
    return Tuning(
        key=key,
        dim=dim,
        k=k,
        target_recall=target_recall,
        num_queries=len(asked),
        queries_are_documents=asked.own is not None,
        num_vectors=total,
        num_measured=len(ids),
        seed=seed,
        points=tuple(points),
        recommended=best,
        settings=whole,
        applied=tuple(applied),
        calibrated=calibrated,
    )


def _check(sample: int, documents: int, k: int, target_recall: float) -> None:
    for name, value, most in (("sample", sample, MAX_QUERIES), ("documents", documents, 1 << 31), ("k", k, 10_000)):
        if not 1 <= value <= most:
            raise ConfigError(f"{name} must be in [1, {most:,}], got {value:,}")
    if not 0 < target_recall <= 1:
        raise ConfigError(f"target_recall must be in (0, 1], got {target_recall}")


@dataclass(frozen=True, eq=False)
class _Aim:
    """What is measured of every setting."""

    key: str
    stored: str
    queries: Queries
    grid: Grid
    k: int
    target_recall: float

    def compare(
        self,
        path: Path,
        ids: list[str],
        vectors: np.ndarray,
        settings: list[Settings],
        on_progress: Callable[[int, int], None],
    ) -> list[Point]:
        """Points of every setting, on a collection of these vectors made at the path."""
        points: list[Point] = []
        with Collection.create(path, {self.key: {"dim": vectors.shape[1], "stored": self.stored}}) as copy:
            for start in range(0, len(ids), _UPSERTED):
                rows = slice(start, start + _UPSERTED)
                flat = pa.array(vectors[rows].ravel(), pa.float32())
                column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
                copy.upsert(pa.table({"doc_id": ids[rows], f"embedding:{self.key}": column}))
            truth = nearest_scores(copy, self.key, self.queries, self.k)
            for done, one in enumerate(settings):
                on_progress(done, len(settings))
                points += self.train_and_climb(copy, one, truth)
            on_progress(len(settings), len(settings))
        return points

    def apply(self, collection: Collection, settings: Settings) -> tuple[list[Point], float]:
        """Train the collection itself -> its points, and the recall that `:recall target_recall` reaches."""
        truth = nearest_scores(collection, self.key, self.queries, self.k)
        points = self.train_and_climb(collection, settings, truth)
        return points, calibrated_recall(collection, self.key, self.queries, truth, self.target_recall)

    def train_and_climb(self, collection: Collection, settings: Settings, truth: Truth) -> list[Point]:
        """Points of one setting, nprobe rising until the target is reached and nearly everything is found."""
        started = time.perf_counter()
        asked = self.queries.vectors if self.queries.own is None else None
        collection.train(**asdict(settings), key=self.key, queries=asked)
        train_s = time.perf_counter() - started
        points: list[Point] = []
        for nprobe in self.grid.ladder(collection.snapshot().quantizers[self.key].num_clusters):
            points.append(measure(collection, self.key, self.queries, truth, nprobe, train_s))
            if points[-1].recall >= max(self.target_recall, _ALL_FOUND):
                break
        return points
