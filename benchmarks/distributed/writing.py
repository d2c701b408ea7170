"""Writes to a shard with three copies: how many a second, how long one takes, and when all copies have it.

Each copy is a process on this machine, with its own folder. A write is one document. After a phase of --writers threads
comes one of a single writer, which asks every copy after each write until a search there finds the document.

    python benchmarks/distributed/writing.py --seconds 10 --writers 4
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn.distributed.processes.client import ProcessShards
from alicorn.distributed.processes.promoting import promote
from alicorn.distributed.protocol.manifest import read_manifest
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection
from alicorn.query import Collection

MAIN = "from alicorn.cli import main; main()"
COPIES = 3
DIM = 64


def document(name: str, vector: np.ndarray) -> pa.Table:
    vectors = pa.array([vector.tolist()], pa.list_(pa.float32()))
    return pa.table({"doc_id": [name], "terms": [[f"id:{name}", "tag:1"]], "embedding:e": vectors})


def start(folder: Path, at: Path) -> tuple[list[str], list[subprocess.Popen[bytes]]]:
    addresses = [f"unix:{at}/{copy}" for copy in range(COPIES)]
    running = []
    for copy, address in enumerate(addresses):
        peers = [part for one in addresses if one != address for part in ("--peer", one)]
        own = ["--listen", address, "--data", str(at / f"data-{copy}")]
        running.append(subprocess.Popen([sys.executable, "-c", MAIN, "shard", str(folder), "0", *own, *peers]))
    while not all(Path(address.removeprefix("unix:")).exists() for address in addresses):
        time.sleep(0.1)
    return addresses, running


def write_for(sharded: ShardedCollection, seconds: float, writers: int) -> list[float]:
    """The milliseconds of each write."""
    took: list[float] = []
    until = time.monotonic() + seconds

    def write(writer: int) -> None:
        rng, number = np.random.default_rng(writer), 0
        while time.monotonic() < until:
            started = time.perf_counter()
            sharded.upsert(document(f"w{writer}-{number}", rng.normal(size=DIM)))
            took.append(1000 * (time.perf_counter() - started))
            number += 1

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return took


def seen_after(sharded: ShardedCollection, copies: list[ShardedCollection], name: str) -> float:
    """Milliseconds from the answer to a write until the last copy finds it."""
    sharded.upsert(document(name, np.ones(DIM)))
    started = time.perf_counter()
    for one in copies:
        while one.refresh() or not one.search(f"id:{name}").ids:
            time.sleep(0.001)
    return 1000 * (time.perf_counter() - started)


def percentiles(values: list[float]) -> str:
    p50, p99 = np.percentile(values, [50, 99])
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, most {max(values):.1f} ms (n = {len(values):,})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--writers", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        at = Path(made)
        with Collection.create(at / "whole", {"e": DIM}) as whole:
            whole.upsert(document("first", np.ones(DIM)))
            publish_shards(whole, at / "sharded", 1)
        addresses, running = start(at / "sharded", at)
        try:
            promote(0, addresses, read_manifest(at / "sharded").version, None)
            copies = [ShardedCollection(at / "sharded", ProcessShards([[one]])) for one in addresses]
            with ShardedCollection(at / "sharded", ProcessShards([addresses])) as sharded:
                write_for(sharded, 1.0, 1)
                before = time.process_time()
                took = write_for(sharded, options.seconds, options.writers)
                processor = 1000 * (time.process_time() - before) / len(took)
                print(f"{options.writers} writers: {len(took) / options.seconds:.0f} writes/s, {percentiles(took)}")
                print(f"the router's processor: {processor:.2f} ms a write")
                print(f"one writer: {percentiles(write_for(sharded, options.seconds, 1))}")
                seen = [seen_after(sharded, copies, f"s{number}") for number in range(200)]
                print(f"from the answer until all {COPIES} copies find it: {percentiles(seen)}")
            for one in copies:
                one.close()
        finally:
            for process in running:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
