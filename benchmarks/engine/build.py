"""What does a build take, and how large is it on disk and in memory, beside Faiss with Roaring bitmaps?

    python benchmarks/engine/build.py [--documents 200000] [--dim 128] [--cache DIR]

Data: harness/vectors.py, 11 tags a document. Ours: upserts of 20,000 documents, flush, merge; a document has an id, and
every upsert is durable when it returns. Faiss: IVFPQFastScan, the vectors for exact scores, and a Roaring bitmap of
each tag, all written to files at the end; documents are row numbers. Each system is built by a process of its own, and
opened by another, which answers 40 queries, half of them with a tag: resident is what that process has more than after
its imports, pages of mapped files included.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import pickle
import shutil
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import faiss
import numpy as np
import pyroaring
from harness.machine import processor
from harness.ours import tables
from harness.peers import IVFPQFastScan
from harness.vectors import Data, make
from harness.workload import new_queries

from alicorn import Collection

UPSERTED, NPROBE, QUERIES, TOP, FETCHED = 20_000, 16, 40, 10, 100


def build_ours(data: Data, folder: Path) -> dict[str, float]:
    collection = Collection.create(folder / "collection", {"x": data.dim})
    seconds = {}
    for table in tables(data, UPSERTED):
        _timed(seconds, "upserts", lambda table=table: collection.upsert(table))
    _timed(seconds, "flush", collection.flush)
    _timed(seconds, "merge", collection.merge)
    collection.close()
    return seconds


def query_ours(folder: Path, queries: np.ndarray, filters: list[str]) -> object:
    collection = Collection.open(folder / "collection", read_only=True)
    for i, query in enumerate(queries):
        only = f" :filter {filters[i]}" if i % 2 else ""
        assert len(collection.search(f"(nn x :k {TOP} :nprobe {NPROBE}{only})", {"x": query}, TOP).ids)
    return collection


def build_faiss(data: Data, folder: Path) -> dict[str, float]:
    seconds: dict[str, float] = {}
    _timed(seconds, "index", lambda: IVFPQFastScan.build(data, folder))
    _timed(seconds, "vectors", lambda: shutil.copy(data.folder / "vectors.npy", folder / "vectors.npy"))

    def bitmaps() -> None:
        made = {tag: pyroaring.BitMap(documents.astype(np.uint32)) for tag, documents in data.postings.items()}
        for bitmap in made.values():
            bitmap.run_optimize()
        (folder / "tags.pickle").write_bytes(pickle.dumps(made))

    _timed(seconds, "tags", bitmaps)
    return seconds


def query_faiss(folder: Path, queries: np.ndarray, filters: list[str]) -> object:
    index = faiss.read_index(str(folder / "index.faiss"))
    vectors = np.load(folder / "vectors.npy")
    bitmaps = pickle.loads((folder / "tags.pickle").read_bytes())
    for i, query in enumerate(queries):
        selector = None
        if i % 2:
            allowed = np.zeros(len(vectors), dtype=bool)
            allowed[bitmaps[filters[i]].to_array()] = True
            selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        parameters = faiss.SearchParametersIVF(nprobe=NPROBE, sel=selector)
        found = index.search(query[None], FETCHED, params=parameters)[1][0]
        found = found[found >= 0]
        assert len(found[np.argsort(-(vectors[found] @ query))[:TOP]])
    return index, vectors, bitmaps


SYSTEMS = {"alicorn": (build_ours, query_ours), "Faiss IVFPQFastScan, Roaring": (build_faiss, query_faiss)}


def _timed(seconds: dict[str, float], name: str, call: Callable[[], object]) -> None:
    started = time.process_time()
    call()
    seconds[name] = seconds.get(name, 0.0) + time.process_time() - started


def _build(name: str, data: Data, folder: Path, end: Connection) -> None:
    faiss.omp_set_num_threads(1)
    seconds = SYSTEMS[name][0](data, folder)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    end.send({"seconds": seconds, "bytes": size, "peak": _memory("VmHWM")})


def _query(name: str, folder: Path, queries: np.ndarray, filters: list[str], end: Connection) -> None:
    faiss.omp_set_num_threads(1)
    before = _memory("VmRSS")
    opened = SYSTEMS[name][1](folder, queries, filters)
    end.send({"resident": _memory("VmRSS") - before})
    del opened


def _memory(line: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at most."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(row.split()[1]) for row in status if row.startswith(line)) * 1024


def _in_a_process(call: Callable[..., None], *arguments: object) -> dict:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=call, args=(*arguments, theirs))
    process.start()
    theirs.close()
    result: dict = ours.recv()
    process.join()
    return result


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "alicorn-benchmarks")
    parsed = parser.parse_args(arguments)
    data = make(parsed.cache, parsed.documents, parsed.dim)
    print(f"{len(data):,} documents x {data.dim}, {len(data.tags[1]) / len(data):.1f} tags each; {processor()}\n")
    rng = np.random.default_rng(5)
    anchors = rng.integers(len(data), size=QUERIES)
    asked = new_queries(data, anchors, rng), [data.tags_of(int(anchor))[0] for anchor in anchors]
    print("| system | processor s | of these | peak MB | bytes a document | resident MB after 40 queries |")
    print("|---|--:|---|--:|--:|--:|")
    for name in SYSTEMS:
        with tempfile.TemporaryDirectory(dir=parsed.cache) as folder:
            made = _in_a_process(_build, name, data, Path(folder))
            opened = _in_a_process(_query, name, Path(folder), *asked)
        parts = ", ".join(f"{part} {seconds:.1f}" for part, seconds in made["seconds"].items())
        print(
            f"| {name} | {sum(made['seconds'].values()):.1f} | {parts} | {made['peak'] / 1e6:,.0f} |"
            f" {made['bytes'] / len(data):.0f} | {opened['resident'] / 1e6:,.0f} |"
        )


if __name__ == "__main__":
    main()
