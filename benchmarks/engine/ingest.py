"""How many documents a second can be made durable, and how soon are they seen?

    python benchmarks/engine/ingest.py [--documents 200000] [--batches 1 10 100 1000 10000] [--folder DIR] [--json FILE]

Documents: 128 dimensions (harness/vectors.py) and 10 terms drawn by Zipf's law. Beside ours, in the same run and in
turns: the same rows inserted into plain SQLite with synchronous=FULL, one transaction a batch, as durable but found by
id only; and the vectors added to a Faiss IVFFlat, which keeps nothing on disk, as a bound. The median of 3 rounds.
A folder on a real disk counts: the default is the current one. fsyncs: ours, those of SQLite within included.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import faiss
import numpy as np
import pyarrow as pa
from harness.machine import processor
from harness.vectors import Mixture

from alicorn import Collection
from alicorn.index.durability import failpoints

DIM, TERMS, ROUNDS, TRAINED_ON = 128, 10, 3, 20_000
MOST_BATCHES = 300  # of one size in a round: single documents would take minutes


@dataclass(frozen=True)
class Batch:
    """The same documents as a table, as rows of SQLite, and as vectors."""

    table: pa.Table
    rows: list[tuple[str, str, bytes]]
    vectors: np.ndarray


def batches(vectors: np.ndarray, size: int, prefix: str) -> Iterator[Batch]:
    rng = np.random.default_rng(size)
    for start in range(0, len(vectors) - size + 1, size):
        part = vectors[start : start + size]
        terms = [[f"z:{rank}" for rank in row] for row in rng.zipf(1.2, (size, TERMS)).clip(1, 10_000).tolist()]
        ids = [f"{prefix}{start + i}" for i in range(size)]
        lists = pa.FixedSizeListArray.from_arrays(pa.array(part.reshape(-1)), DIM)
        rows = [(i, " ".join(t), v.tobytes()) for i, t, v in zip(ids, terms, part, strict=True)]
        yield Batch(pa.table({"doc_id": ids, "terms": terms, "embedding:x": lists}), rows, part)


def ours(folder: Path, vectors: np.ndarray, trained: bool) -> Callable[[Batch], None]:
    collection = Collection.create(folder, {"x": DIM})
    if trained:
        collection.upsert(next(batches(vectors, TRAINED_ON, "trained-on-")).table)
        collection.train()
    return lambda batch: collection.upsert(batch.table) and None


def sqlite(folder: Path) -> Callable[[Batch], None]:
    folder.mkdir()
    database = sqlite3.connect(folder / "d", isolation_level=None)
    database.execute("PRAGMA page_size = 8192")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE documents (doc_id TEXT PRIMARY KEY, terms TEXT, vector BLOB)")

    def add(batch: Batch) -> None:
        database.execute("BEGIN")
        database.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", batch.rows)
        database.execute("COMMIT")

    return add


def faiss_in_memory(vectors: np.ndarray) -> Callable[[Batch], None]:
    index = faiss.index_factory(DIM, "IVF512,Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[:TRAINED_ON])
    return lambda batch: index.add(batch.vectors)


def fsyncs(name: str) -> int:
    """What it means that a failpoint is reached: a commit fsyncs the log, a checkpoint the log and the database."""
    return 2 if name == "after checkpoint" else int(name.startswith(("after commit", "after fsync")))


def by_batch_size(folder: Path, vectors: np.ndarray, sizes: list[int]) -> list[dict]:
    """Documents a second of each system, in turns."""
    rows = []
    for size in sizes:
        prepared = list(batches(vectors[: size * MOST_BATCHES], size, "d"))
        seconds: dict[str, list[float]] = {}
        counted = 0
        for turn in range(ROUNDS):
            systems: dict[str, Callable[[Batch], None]] = {
                "alicorn": ours(folder / f"a{size}-{turn}", vectors, trained=False),
                "alicorn, trained": ours(folder / f"t{size}-{turn}", vectors, trained=True),
                "SQLite": sqlite(folder / f"s{size}-{turn}"),
                "Faiss IVFFlat, in memory": faiss_in_memory(vectors),
            }
            for name in np.random.default_rng(turn).permutation(list(systems)):
                reached: list[str] = []
                failpoints.armed = reached.append
                started = time.perf_counter()
                for batch in prepared:
                    systems[name](batch)
                seconds.setdefault(name, []).append(time.perf_counter() - started)
                failpoints.armed = None
                counted = sum(map(fsyncs, reached)) or counted
        count = size * len(prepared)
        rates = {name: count / float(np.median(times)) for name, times in seconds.items()}
        rows.append(
            {"batch": size, "documents": count, "documents_per_s": rates, "fsyncs_per_batch": counted / len(prepared)}
        )
    return rows


def sustained(folder: Path, vectors: np.ndarray, size: int = 1000) -> dict:
    """One long load, through flushes, merges and training in the background, and how long single batches took."""
    collection = Collection.create(folder / "sustained", {"x": DIM})
    reached: Counter[str] = Counter()
    failpoints.armed = lambda name: reached.update([name])
    took = []
    started = time.perf_counter()
    for batch in batches(vectors, size, "d"):
        before = time.perf_counter()
        collection.upsert(batch.table)
        took.append((time.perf_counter() - before) * 1000)
    acknowledged_s = time.perf_counter() - started
    collection.flush()
    flushed_s = time.perf_counter() - started
    failpoints.armed = None
    collection.close()
    p50, p99 = np.percentile(took, [50, 99])
    return {
        "documents": len(vectors),
        "batch": size,
        "acknowledged_per_s": len(vectors) / acknowledged_s,
        "flushed_per_s": len(vectors) / flushed_s,
        "batch_ms": {"p50": p50, "p99": p99, "max": max(took)},
        "fsyncs": sum(fsyncs(name) * count for name, count in reached.items()),
        "segments_written": reached["after fsync segment"],
    }


def visibility(folder: Path, vectors: np.ndarray, size: int = 100) -> dict:
    """Milliseconds from the acknowledgement of a batch until a search finds it: here, and in a process that refreshes
    all the time."""
    collection = Collection.create(folder / "visible", {"x": DIM})
    context = multiprocessing.get_context("spawn")
    ours_end, theirs_end = context.Pipe()
    prepared = list(batches(vectors, size, "d"))
    collection.upsert(next(batches(vectors, size, "first")).table)  # the reader pays for imports before it is measured
    reader = context.Process(target=follow, args=(folder / "visible", (len(prepared) + 1) * size, theirs_end))
    reader.start()
    ours_end.recv()
    acknowledged, here = {}, []
    for number, batch in enumerate(prepared, start=1):
        collection.upsert(batch.table)
        acknowledged[(number + 1) * size] = at = time.monotonic_ns()
        assert collection.search(
            f"(nn x :k 1 :filter {batch.table['terms'][0].as_py()[0]})", {"x": batch.vectors[0]}
        ).ids
        here.append((time.monotonic_ns() - at) / 1e6)
        time.sleep(0.005)
    seen: dict[int, int] = ours_end.recv()
    reader.join()
    there = []
    for count, at in acknowledged.items():
        there.append(max(0.0, (min(time for number, time in seen.items() if number >= count) - at) / 1e6))
    return {"batch": size, "here_ms": summary(here), "another_process_ms": summary(there)}


def follow(path: Path, last: int, end) -> None:
    """Of the other process: when did it see how many documents? Several may have come at once."""
    seen = {}
    with Collection.open(path, read_only=True) as collection:
        end.send("ready")
        while len(collection) < last:
            if collection.refresh():
                seen[len(collection)] = time.monotonic_ns()
    end.send(seen)


def summary(times: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(times, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "max": max(times)}


def show(result: dict) -> str:
    names = list(result["by_batch_size"][0]["documents_per_s"])
    lines = [f"{result['machine']}, load {result['load']:.1f}; fsync of 4 KiB: {result['fsync_ms']:.1f} ms", ""]
    lines += ["| documents a batch | " + " | ".join(names) + " | fsyncs a batch |", "|---" * (len(names) + 2) + "|"]
    for row in result["by_batch_size"]:
        rates = " | ".join(f"{row['documents_per_s'][name]:,.0f}/s" for name in names)
        lines.append(f"| {row['batch']:,} | {rates} | {row['fsyncs_per_batch']:.2f} |")
    load, seen = result["sustained"], result["visibility"]
    ms = "{p50:.1f} ms p50, {p99:.1f} ms p99, {max:.1f} ms at most"
    lines += [
        "",
        f"{load['documents']:,} documents in batches of {load['batch']:,}, with {load['segments_written']} segments "
        f"written and the quantizers trained in the background: {load['acknowledged_per_s']:,.0f}/s acknowledged, "
        f"{load['flushed_per_s']:,.0f}/s until all is in segments; a batch took {ms.format(**load['batch_ms'])}; "
        f"{load['fsyncs']} fsyncs.",
        f"From the acknowledgement to a search that finds it: {ms.format(**seen['here_ms'])} in the same process, the "
        f"search included; {ms.format(**seen['another_process_ms'])} until another process that refreshes has it.",
    ]
    return "\n".join(lines)


def fsync_ms(folder: Path) -> float:
    with (folder / "probe").open("wb") as file:
        times = []
        for _ in range(20):
            file.write(bytes(4096))
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return float(np.median(times))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200_000, help="of the long load; the table takes a tenth")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 100, 1000, 10_000])
    parser.add_argument("--folder", type=Path, default=Path(), help="where the collections are written, and removed")
    parser.add_argument("--json", type=Path)
    parsed = parser.parse_args(arguments)
    rng = np.random.default_rng(0)
    vectors, _ = Mixture(parsed.documents, DIM, rng).draw(max(parsed.documents, 2 * TRAINED_ON), rng)
    folder = Path(tempfile.mkdtemp(prefix="ingest-", dir=parsed.folder))
    try:
        result = {
            "machine": processor(),
            "load": os.getloadavg()[0],
            "fsync_ms": fsync_ms(folder),
            "by_batch_size": by_batch_size(
                folder, vectors[: max(parsed.documents // 10, 2 * TRAINED_ON)], parsed.batches
            ),
            "sustained": sustained(folder, vectors[: parsed.documents]),
            "visibility": visibility(folder, vectors[:20_000]),
        }
    finally:
        shutil.rmtree(folder)
    print(show(result))
    if parsed.json:
        parsed.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
