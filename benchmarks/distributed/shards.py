"""What does a router add to a search, over shards in processes of their own on one machine?

    python benchmarks/distributed/shards.py [--documents 100000] [--shards 1 2 4] [--requests 300]

Documents of random words and clustered vectors of 64 dimensions. Each kind of search is asked of one collection in this
process, of one shard in this process through the router, and of shards in processes over Unix sockets. Processor
milliseconds are of this process alone: all of a search by one collection; of shards in processes the router's
part, which is what it adds to the time of the shards. p50 is of the wall, of all. Answers of a router are compared with
the collection's.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.distributed.processes.client import ProcessShards
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection
from alicorn.query import Collection
from alicorn.reporting.markdown import table

DIM = 64
MAIN = "from alicorn.cli import main; main()"
SEARCHES: dict[str, tuple[str, Any]] = {
    "terms, by static rank": ("(and text:w{a} text:w{b})", "static_rank"),
    "terms, by BM25": ("(or text:w{a} text:w{b})", "bm25"),
    "nn :k 10 :recall 0.95": ("(nn e :k 10 :recall 0.95)", None),
    "nn :k 10 :nprobe 8": ("(nn e :k 10 :nprobe 8)", None),
    "nn :k 10 of a filter": ("(nn e :k 10 :filter text:w{a})", None),
    "words or nn, by a sum": ("(or text:w{a} (nn e :k 100 :nprobe 8))", {"nn": 1.0, "bm25": 0.1}),
}


def documents(count: int) -> pa.Table:
    rng = np.random.default_rng(0)
    words = np.minimum(rng.zipf(1.3, (count, 8)), 5_000)
    centres = rng.normal(size=(500, DIM))
    vectors = (centres[rng.integers(500, size=count)] + 0.7 * rng.normal(size=(count, DIM))).astype(np.float32)
    return pa.table(
        {
            "doc_id": [f"d{at}" for at in range(count)],
            "terms": [[f"text:w{word}" for word in row] for row in words.tolist()],
            "static_rank": rng.random(count),
            "embedding:e": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM),
        }
    )


def requests(count: int) -> list[tuple[int, int, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [(int(a), int(b), rng.normal(size=DIM)) for a, b in rng.integers(2, 60, size=(count, 2))]


def measured(collection: Any, kind: str, asked: list[tuple[int, int, np.ndarray]]) -> tuple[float, float, list[Any]]:
    """Processor milliseconds a search of this process, p50 of the wall in milliseconds, and the answers."""
    expression, order_by = SEARCHES[kind]

    def search(a: int, b: int, vector: np.ndarray) -> Any:
        return collection.search(expression.format(a=a, b=b), {"e": vector}, order_by=order_by)

    answers = [(found.ids, found.scores.tolist(), found.total) for found in (search(*one) for one in asked)]  # warm
    walls = []
    before = time.process_time()
    for one in asked:
        started = time.perf_counter()
        search(*one).ids  # noqa: B018
        walls.append(time.perf_counter() - started)
    return 1000 * (time.process_time() - before) / len(asked), 1000 * float(np.median(walls)), answers


def started(folder: Path, sockets: Path, count: int) -> tuple[list[subprocess.Popen[bytes]], ProcessShards]:
    addresses = [f"unix:{sockets}/{count}-{shard}" for shard in range(count)]
    processes = [
        subprocess.Popen([sys.executable, "-c", MAIN, "shard", str(folder), str(shard), "--listen", address])
        for shard, address in enumerate(addresses)
    ]
    while not all(Path(address.removeprefix("unix:")).exists() for address in addresses):
        time.sleep(0.1)
    return processes, ProcessShards([[address] for address in addresses])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--requests", type=int, default=300)
    options = parser.parse_args()
    asked = requests(options.requests)
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        at = Path(folder)
        with Collection.create(at / "whole", {"e": DIM}) as whole:
            whole.upsert(documents(options.documents))
            whole.merge()
            for count in options.shards:
                publish_shards(whole, at / str(count), count)
            wanted = {kind: measured(whole, kind, asked) for kind in SEARCHES}
            rows += [[kind, "one collection", f"{cpu:.2f}", f"{p50:.2f}"] for kind, (cpu, p50, _) in wanted.items()]
        with ShardedCollection.open(at / "1") as local:
            rows += _compared(local, "one shard, this process", wanted, asked)
        for count in options.shards:
            processes, transport = started(at / str(count), at, count)
            try:
                with ShardedCollection(at / str(count), transport) as sharded:
                    rows += _compared(sharded, f"{count} shards, processes", wanted, asked)
            finally:
                for process in processes:
                    process.terminate()
                    process.wait()
    rows.sort(key=lambda row: list(SEARCHES).index(row[0]))
    print(table(["search", "answered by", "processor ms, this process", "p50 ms"], rows))


def _compared(collection: Any, name: str, wanted: Any, asked: list[tuple[int, int, np.ndarray]]) -> list[list[str]]:
    rows = []
    for kind in SEARCHES:
        cpu, p50, answers = measured(collection, kind, asked)
        assert answers == wanted[kind][2], f"{name}: {kind}"
        rows.append([kind, name, f"{cpu:.2f}", f"{p50:.2f}"])
    return rows


if __name__ == "__main__":
    main()
