"""How late are searches while documents are written? Texts at a fixed rate, alone and beside upserts at a fixed rate.

    python benchmarks/serving/beside_writes.py DEMO_FOLDER [--rate 500] [--documents 500] [--batch 10] [--seconds 20]
        [--workers 1] [--ranker RANKING_YAML]

DEMO_FOLDER: of `alicorn demo --out DEMO_FOLDER --no-serve`; its documents are published anew, with the unified model.
Requests come at fixed times whatever the server does, so that waiting counts; the rows change from round to round, and
each is of the same server. Searches: texts by searchers of the log, limit 10; --ranker: their hits are ranked. Upserts:
documents of the collection with their terms, columns and vectors, as they are, so that answers stay; --documents a
second, --batch in a request. An upsert is in the journal when it is acknowledged; segments are written and merged
meanwhile. Refused are requests with another status than 200, whose times do not count. Processor time is the server's,
of all its processes, in cores. The load comes from this process.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import load
import numpy as np
import pyarrow.parquet as pq
from load import processor_s
from tracing import bodies

ROUNDS = 3
ALICORN = str(Path(sys.executable).parent / "alicorn")


def published(demo: Path, scratch: Path) -> list[dict[str, Any]]:
    """A collection of the demo's documents, and those as they are sent to it."""
    model, documents = demo / "model-unified", demo / "logs/documents"
    _run("publish", documents, "--model", model, "--into", scratch / "collection")
    _run("embed", model, "--documents", documents, "--out", scratch / "vectors.parquet")
    vectors = pq.read_table(scratch / "vectors.parquet")
    (name,) = [name for name in vectors.column_names if name.startswith("embedding:")]
    by_id = dict(zip(vectors["doc_id"].to_pylist(), vectors[name].to_pylist(), strict=True))
    from alicorn import Collection

    with Collection.open(scratch / "collection", read_only=True) as collection:
        snapshot = collection.snapshot()
        found = [snapshot.document(view, at) for view in snapshot.segments for at in range(view.segment.num_docs)]
    sent = []
    for one in found:
        document = {key: one.pop(key) for key in ("doc_id", "terms", "static_rank")}
        columns = {key: value for key, value in one.items() if value is not None}
        document |= {"columns": columns, "embeddings": {name.partition(":")[2]: by_id[document["doc_id"]]}}
        sent.append(document)
    return sent


def _run(*arguments: object) -> None:
    subprocess.run([ALICORN, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def both(searches: Sequence[bytes], rate: float, writes: Sequence[bytes], writes_rate: float) -> Any:
    """Of each search and of each write the seconds from when it was due, and its status."""
    return await asyncio.gather(load.at_rate(searches, rate), load.at_rate(writes, writes_rate, "/v1/documents"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path, help="folder of alicorn demo")
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--documents", type=float, default=500.0)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--ranker", type=Path, default=None)
    arguments = parser.parse_args()
    demo: Path = arguments.demo
    searches = bodies(demo, int(arguments.rate * arguments.seconds))
    print("| documents/s | p50 ms | p99 ms | searches/s | refused | write p50 ms | write p99 ms | refused | cores |")
    print("|---" * 9 + "|")
    with tempfile.TemporaryDirectory() as scratch:
        documents = published(demo, Path(scratch))
        command = [ALICORN, "serve", f"{scratch}/collection", "--port", str(load.PORT)]
        command += ["--model", str(demo / "model-unified"), "--searchers", str(demo / "logs/searchers")]
        command += ["--served-log", f"{scratch}/served", "--workers", str(arguments.workers)]
        command += [] if arguments.ranker is None else ["--ranker", str(arguments.ranker)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            asyncio.run(load.ready(server, searches[:1]))
            asyncio.run(load.in_turns(searches[: load.WARM], 4))
            for number in range(ROUNDS):
                for per_s in (0.0, arguments.documents):
                    writes_rate = per_s / arguments.batch
                    rng = random.Random(number)
                    chosen = [
                        rng.sample(documents, arguments.batch) for _ in range(int(writes_rate * arguments.seconds))
                    ]
                    writes = [json.dumps(one).encode() for one in chosen]
                    used, started = processor_s(server), time.perf_counter()
                    found, written = asyncio.run(both(searches, arguments.rate, writes, writes_rate))
                    took_s, used = time.perf_counter() - started, processor_s(server) - used
                    print(f"| {per_s:g} | {_row(found, took_s)} | {_row(written)} | {used / took_s:.2f} |", flush=True)
        finally:
            server.terminate()
            server.wait()
    print(f"load of the machine at the end, over 5 minutes: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")


def _row(found: Sequence[tuple[float, int]], took_s: float | None = None) -> str:
    ms = np.array([seconds for seconds, status in found if status == 200]) * 1e3
    times = [f"{np.median(ms):.2f}", f"{np.quantile(ms, 0.99):.2f}"] if len(ms) else ["", ""]
    return " | ".join([*times, *([f"{len(ms) / took_s:.0f}"] if took_s else []), str(len(found) - len(ms))])


if __name__ == "__main__":
    main()
