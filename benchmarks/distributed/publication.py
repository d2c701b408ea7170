"""Does a request fail, or mix versions, while new versions of a collection in shards are published?

    python benchmarks/distributed/publication.py [--shards 2] [--replicas 2] [--rate 200] [--versions 10]

Every version has the same documents, but a stored column and BM25 differ, so that an answer says which version each of
its hits is of. A router in this process searches at the rate over replicas in processes of their own, and reads the
column of every hit; a page of 10 by BM25. Meanwhile another process publishes versions, one after the other, and the
router goes on to each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa

from alicorn.distributed.processes.client import ProcessShards
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection
from alicorn.errors import AlicornError
from alicorn.query import Collection
from alicorn.reporting.markdown import table

MAIN = "from alicorn.cli import main; main()"
EXPRESSION = "(or text:a text:b)"
THREADS = 8

Answer = tuple[list[str], list[float]]
"""Ids and scores."""


def documents(version: int, count: int) -> pa.Table:
    """`text:b` is in every (version + 2)nd document, so that BM25 differs in each version."""
    terms = [["text:a", *(["text:b"] if at % (version + 2) == 0 else [])] for at in range(count)]
    ids = [f"d{at}" for at in range(count)]
    return pa.table({"doc_id": ids, "terms": terms, "version": pa.array([version] * count, pa.int64())})


@dataclass
class Searches:
    """What was asked and answered."""

    sharded: ShardedCollection
    wanted: dict[int, Answer]
    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    mixed: int = 0
    wrong: int = 0
    of_version: dict[int, int] = field(default_factory=dict)

    def run(self, number: int, rate: float, started: float, ended: threading.Event) -> None:
        at = number
        while not ended.is_set():
            due = started + at / rate
            time.sleep(max(0.0, due - time.monotonic()))
            self.ask()
            self.seconds.append(time.monotonic() - due)  # with the time that it waited for a thread
            at += THREADS

    def ask(self) -> None:
        try:
            found = self.sharded.search(EXPRESSION, limit=10, order_by="bm25")
            versions = set(found.table(["version"])["version"].to_pylist())
        except AlicornError as error:
            self.failed.append(str(error))
            return
        if len(versions) != 1:
            self.mixed += 1
            return
        (version,) = versions
        self.of_version[version] = self.of_version.get(version, 0) + 1
        self.wrong += (found.ids, found.scores.tolist()) != self.wanted[version]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--versions", type=int, default=10)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as writer,
    ):
        at = Path(folder)
        Collection.create(at / "whole").close()

        def publish(version: int) -> Answer:
            return writer.submit(published, at, version, options.documents, options.shards).result()

        _run(at, publish, options)


def published(at: Path, version: int, count: int, shards: int) -> Answer:
    """Make the documents those of a version, and publish it -> what is then to be found."""
    with Collection.open(at / "whole") as whole:
        whole.upsert(documents(version, count))
        publish_shards(whole, at / "sharded", shards)
        found = whole.search(EXPRESSION, limit=10, order_by="bm25")
        return found.ids, found.scores.tolist()


def _run(at: Path, publish: Callable[[int], Answer], options: argparse.Namespace) -> None:
    wanted = {0: publish(0)}
    addresses = [[f"unix:{at}/{shard}-{one}" for one in range(options.replicas)] for shard in range(options.shards)]
    processes = [
        subprocess.Popen([sys.executable, "-c", MAIN, "shard", str(at / "sharded"), str(shard), "--listen", address])
        for shard, replicas in enumerate(addresses)
        for address in replicas
    ]
    try:
        while not all(Path(one.removeprefix("unix:")).exists() for replicas in addresses for one in replicas):
            time.sleep(0.1)
        with ShardedCollection(at / "sharded", ProcessShards(addresses)) as sharded:
            searches = Searches(sharded, wanted)
            _load(searches, publish, options)
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def _load(searches: Searches, publish: Callable[[int], Answer], options: argparse.Namespace) -> None:
    ended, started = threading.Event(), time.monotonic()
    threads = [
        threading.Thread(target=searches.run, args=(number, options.rate, started, ended)) for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    try:
        for version in range(1, options.versions + 1):
            time.sleep(1.0)
            searches.wanted[version] = publish(version)
            while not searches.sharded.refresh():
                time.sleep(0.05)
        time.sleep(1.0)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    _print(searches, time.monotonic() - started)


def _print(searches: Searches, seconds: float) -> None:
    ms = sorted(1000 * one for one in searches.seconds)
    rows = [
        ["searches", f"{len(ms):,} in {seconds:.0f} s"],
        ["answered by each version", ", ".join(f"{searches.of_version[one]}" for one in sorted(searches.of_version))],
        ["failed", str(len(searches.failed))],
        ["hits of more than one version", str(searches.mixed)],
        ["ids or scores other than one collection's", str(searches.wrong)],
        ["p50, p99 and longest ms", f"{ms[len(ms) // 2]:.1f}, {ms[int(0.99 * len(ms))]:.1f}, {ms[-1]:.0f}"],
    ]
    print(table(["", f"{len(searches.of_version)} versions"], rows))
    for message in sorted(set(searches.failed))[:3]:
        print(message)


if __name__ == "__main__":
    main()
