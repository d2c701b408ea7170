"""Can one core serve a column of MGDSPR: the top 1,600 of 16.7 million vectors within 10 ms, in 98 of 100 requests?

    python benchmarks/engine/column.py [--documents 16700000] [--noise 0.2] [--queries 300] [--peers] [--cache DIR]

16,700,000 x 128 is one of the paper's six columns (MGDSPR); it takes 9 GB for the vectors that the truth is
computed from, 3 GB for our index, which keeps 8-bit codes of them, and 9 GB again for each peer that keeps vectors.
Recall is against the exact float32 vectors: what rounding them loses counts. A document has an id and 1.4 tags. The
default of 1,000,000 documents is for a quick look; without names after `--peers` only ours is measured. Last comes what
looking in more clusters buys, and what `:recall 0.95` does: `--curve` prints that alone.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from harness.builds import built, one_core
from harness.measure import recall
from harness.ours import Codes, OneSetting
from harness.table import OURS, arguments_of, run, show, write
from harness.vectors import NOISE, Data, make
from harness.workload import Filter, Row
from hybrid import nearest

ROWS = (
    Row("top 1,600", nearest(k=1600)),
    Row("top 1,600 of 30 %", nearest(Filter(all_of=("u:30%",)), k=1600)),
)
MOST_MS = 10
MOST_BYTES = 200
RECALL = ":recall 0.95"
NPROBES = (4, 16, 32, 64, 128, 256, 1024)


def bar(result: dict) -> str:
    """Ours against the paper's figure and the issue's aims."""
    lines = [
        f"{row['row']}: p98 {row['systems'][OURS]['p98_us'] / 1000:.1f} ms (aim: at most {MOST_MS} at 16.7M), recall"
        f" {row['systems'][OURS]['recall']:.3f}"
        for row in result["rows"]
    ]
    size = result["builds"][OURS]["size_bytes"] / result["documents"]
    return "\n" + "\n".join([*lines, f"Index: {size:.0f} bytes per document in files (aim: at most {MOST_BYTES})"])


def curve(data: Data, cache: Path, num_queries: int, clock: str) -> str:
    """Recall of the complete answer, and latency, by how many clusters are looked in."""
    ours = Codes(data, built(Codes, data, cache).folder)
    one_core()
    now = time.process_time if clock == "cpu" else time.perf_counter
    lines = [
        "",
        f"| nprobe | documents scanned | recall of the complete answer | p50 ms | p98 ms, {clock} |",
        "|---" * 5 + "|",
    ]
    requests = nearest(k=1600)(data, np.random.default_rng(0), num_queries)
    complete = [ours.documents(ours.bind(requests, None)(i)) for i in range(num_queries)]
    one = OneSetting(ours)
    settings = [(f"{nprobe}", ours, (nprobe, 0)) for nprobe in NPROBES] + [(RECALL, one, RECALL), ("all", ours, None)]
    for label, system, setting in settings:
        search = system.bind(requests, setting)
        found, took_ms = [], []
        for i in [*range(num_queries), *range(num_queries)]:  # the first round finds its pages not mapped yet
            started = now()
            answer = search(i)
            took_ms.append((now() - started) * 1000)
            found.append(ours.documents(answer))
        scanned = np.mean([system.work(request, setting)["documents_scanned"] for request in requests])
        p50, p98 = np.percentile(took_ms[num_queries:], [50, 98])
        share = recall(found[num_queries:], complete)
        lines.append(f"| {label} | {scanned:,.0f} | {share:.3f} | {p50:.1f} | {p98:.1f} |")
    ours.collection.close()
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = arguments_of(
        argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    )
    parser.add_argument("--curve", action="store_true", help="only the table of recall by nprobe")
    parser.add_argument("--noise", type=float, default=NOISE, help="0.2: neighbours of one kind, a cluster of the data")
    parser.set_defaults(documents=1_000_000)
    parsed = parser.parse_args(arguments)
    data = make(parsed.cache, parsed.documents, parsed.dim, shares_only=True, noise=parsed.noise)
    if not parsed.curve:
        result = run(ROWS, parsed, data, Codes)
        print(show(result) + bar(result))
        write(result, parsed)
    print(curve(data, parsed.cache, min(parsed.queries, 50), parsed.clock))


if __name__ == "__main__":
    main()
