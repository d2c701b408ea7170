"""Exact top-K over a corpus that is encoded row group by row group, on any engine: a batch of documents in, the nearest
of them to each request out, and the best of all batches kept here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from alicorn.distributed.batch.engines import BatchEngine
from alicorn.distributed.batch.job import Job, fingerprint_of
from alicorn.distributed.batch.run import run, unfinished
from alicorn.errors import ConfigError
from alicorn.evaluation.searches import Searches
from alicorn.evaluation.systems.exact import exact_top_k
from alicorn.pairs import is_pairs_folder
from alicorn.publishing.documents import BATCH_ROWS, known_types, open_documents

# Of each request in the order of the requests, for each batch of documents: its nearest, best first.
_NEAREST = pa.schema([("doc_ids", pa.list_(pa.string())), ("scores", pa.list_(pa.float64()))])


@dataclass(frozen=True)
class _Nearest:
    """The transform. model: its folder; requests: file of their vectors, float32 (requests, dim)."""

    model: Path
    requests: Path
    k: int

    def start(self, threads: int | None) -> Callable[[pa.Table], pa.Table]:
        import torch

        from alicorn.towers import Model

        if threads is not None:
            torch.set_num_threads(threads)
        model, requests = Model.load(self.model), np.load(self.requests)

        def nearest(batch: pa.Table) -> pa.Table:
            k = min(self.k, len(batch))
            numbers, scores = exact_top_k(requests, model.encode_documents(batch), k)
            offsets = pa.array(np.arange(len(requests) + 1) * k, pa.int32())
            doc_ids = batch["doc_id"].cast(pa.string()).combine_chunks().take(pa.array(numbers.ravel()))
            lists = [pa.ListArray.from_arrays(offsets, values) for values in (doc_ids, pa.array(scores.ravel()))]
            return pa.table(lists, schema=_NEAREST)

        return nearest


def check_engine(engine: BatchEngine, pairs: Path) -> None:
    """Raise ConfigError where an engine cannot run here, or would not find the documents."""
    engine.check()
    if engine is not BatchEngine.LOCAL and not is_pairs_folder(pairs):
        raise ConfigError(
            f"--engine {engine} reads the documents of a folder of pairs, and {pairs} is a log: `alicorn mine` it first"
        )


def top_k_of_corpus(
    model: Path, pairs: Path, searches: Searches, engine: BatchEngine, requests: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """exact_top_k over the documents of a folder of pairs, encoded by the model of a folder.

    requests: float32 (requests, dim). A run that was killed goes on where it stopped; until it is done, its parts are
    beside the folder of pairs. Workers see model and pairs under the same paths. Raises TableError, ModelError.
    """
    from alicorn.towers import Model

    loaded = Model.load(model)
    asked = xxhash.xxh3_64_hexdigest(np.ascontiguousarray(requests).tobytes() + f"{requests.shape} {k}".encode())
    vectors, out = (pairs.absolute().with_name(f".{pairs.name}.{name}") for name in (f"{asked}.npy", "nearest"))
    documents = pairs / "documents.parquet"
    source = open_documents(documents, [loaded])
    folder = unfinished(out, overwrite=True)
    job = Job(
        fingerprint_of(source, loaded.fingerprint, asked),
        documents.absolute(),
        source.name,
        pa.schema(list(known_types([loaded]).items())),
        _Nearest(model.absolute(), vectors, k),
        _NEAREST,
        folder.absolute(),
        BATCH_ROWS,
        None if engine is BatchEngine.LOCAL else 1,
    )
    try:
        np.save(vectors, requests)
        run(job, source, engine, out, lambda done, total: None)
        return _best(out, searches, len(requests), k)
    finally:
        vectors.unlink(missing_ok=True)
        shutil.rmtree(out, ignore_errors=True)


def _best(parts: Path, searches: Searches, count: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best of the nearest of all batches, ties by document number."""
    numbers, scores = np.full((count, k), -1, dtype=np.int32), np.full((count, k), -np.inf)
    for part in sorted(parts.glob("part-*.parquet")):
        with pq.ParquetFile(part) as file:
            for batch in file.iter_batches(batch_size=count):
                found = searches.numbers(batch["doc_ids"].flatten()).reshape(count, -1)
                numbers = np.concatenate([numbers, found], axis=1)
                scores = np.concatenate([scores, batch["scores"].flatten().to_numpy().reshape(count, -1)], axis=1)
                best = np.lexsort((numbers, -scores), axis=1)[:, :k]
                numbers, scores = (np.take_along_axis(one, best, axis=1) for one in (numbers, scores))
    return numbers, scores
