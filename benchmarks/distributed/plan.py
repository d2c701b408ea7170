"""Is what `alicorn plan` says of more documents and of shards right, and what do a thousand shards do?

    python benchmarks/distributed/plan.py [--documents 160000] [--sample 40000] [--page check|bytes|thousand|columns]

check: costs are measured with `--sample` documents, then predicted for `--documents`, in one collection and in 1, 2 and
4 shards, which are built and measured: documents scanned, and processor time of a search, router and all shards.
bytes: the same of files, by codec and dimensions.
thousand: simulated requests to up to 1,000 shards with the times of the cost, with and without a second request after
the 95th percentile, and with replicas that do not answer.
columns: MGDSPR's 9,600 nearest of 1e8 in six columns.
Vectors: 2,000 directions with noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from alicorn.distributed.planning import Cost, Machine, PlannedSearch, Target, plan
from alicorn.distributed.planning.cost import (
    QUERIES,
    Kept,
    bytes_per_document,
    clusters_of,
    documents_scanned,
    indexed,
    measured_cost,
    seconds_of,
    sharded_seconds,
)
from alicorn.distributed.planning.queues import response_times, slowest_of
from alicorn.quantization import Settings
from alicorn.reporting.markdown import table

DIRECTIONS = 2_000
ASKED = (PlannedSearch("x", 100, 0.95), PlannedSearch("x", 10, 0.9))
CODES = (Kept(), Kept("codes"), Kept("float16", Settings(codec="rabitq", bits=4)))
BUSY = 0.5  # of every processor, in the simulation
DEADLINE_MS = 200.0
SCANNED = {
    "all that `:recall 0.95` scanned of 16.7 million": 7.6e6,
    "what takes 10 ms": 850_000,
}  # docs/engine-speed.md


def vectors_of(count: int, dim: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(DIRECTIONS, dim)).astype(np.float32)
    vectors = directions[rng.integers(0, len(directions), count)]
    noisy: np.ndarray = vectors + 0.7 * rng.standard_normal((count, dim), dtype=np.float32)
    return noisy


def check(documents: int, sample: int) -> None:
    vectors = vectors_of(documents + QUERIES, 128)
    queries, rest = vectors[:QUERIES], vectors[QUERIES:]
    with indexed(rest[:sample], "x", Kept()) as index:
        costs = [measured_cost(index, asked, documents) for asked in ASKED]
    rows = []
    with indexed(rest, "x", Kept()) as index:
        for asked, cost in zip(ASKED, costs, strict=True):
            label = f"{asked.k} at {asked.recall:g}"
            scanned = float(documents_scanned(index, asked, queries).mean())
            rows.append(compared(label, "documents scanned", float(cost.scanned.mean()), scanned))
            given = cost.scanning(scanned)
            rows.append(
                compared(
                    label, "ms, one collection", *ms(cost.seconds, given.seconds, seconds_of(index, asked, queries))
                )
            )
            for shards in (1, 2, 4):
                predicted = (one.router + shards * one.shard_seconds(shards) for one in (cost, given))
                measured = sharded_seconds(index, asked, queries, shards)
                rows.append(compared(label, f"ms, router and {shards} shards", *ms(*predicted, measured)))
    print(f"{documents:,} documents, predicted by costs that were measured with {sample:,}\n")
    print(table(["k, recall", "of a request", "predicted", "given the scanned", "measured", "errors"], rows))


def bytes_of_files(documents: int, sample: int) -> None:
    rows = []
    for dim in (64, 128):
        vectors = vectors_of(documents, dim)
        for kept in CODES:
            of_size = []
            for size in (sample, documents):
                with indexed(vectors[:size], "x", kept) as index:
                    of_size.append(bytes_per_document(index, dim) + 4.0 * dim * clusters_of(size) / size)
            code = kept.settings.codec or "default code"
            rows.append(compared(f"{dim}, {kept.stored}, {code}", "bytes of a document", *of_size))
    print(f"{documents:,} documents, predicted by {sample:,}\n")
    print(table(["dimensions, stored, code", "", "predicted", "", "measured", "error"], rows))


def ms(*seconds: np.ndarray | float) -> list[float]:
    return [1e3 * float(np.mean(one)) for one in seconds]


def compared(label: str, what: str, *numbers: float) -> list[str]:
    *predicted, measured = numbers
    errors = ", ".join(f"{one / measured - 1:+.0%}" for one in predicted)
    return [
        label,
        what,
        *(f"{one:,.3f}" for one in predicted),
        *[""] * (2 - len(predicted)),
        f"{measured:,.3f}",
        errors,
    ]


def a_thousand(documents: int, sample: int) -> None:
    """Requests to all of up to 1,000 shards of 100,000 documents, each of which scans 2,000."""
    cost = cost_of(sample, ASKED[0], Kept())
    rng = np.random.default_rng(0)
    rows = []
    for shards in (1, 10, 100, 1_000):
        service = replace(cost, documents=1e5 * shards).scanning(2_000 * shards).shard_seconds(shards) * 1e3
        for hedged in (False, True):
            responses = response_times(service, BUSY * (1.05 if hedged else 1.0), 1_000_000, rng)
            after = float(np.percentile(responses, 95)) if hedged else np.inf
            for lost in (0.0, 0.001):
                longest, answered = slowest_of(responses, shards, 20_000, rng, after, lost, DEADLINE_MS)
                times = [f"{part:.2f}" for part in np.percentile(longest, [50, 99, 99.9])]
                second = f"after {after:.2f} ms" if hedged else "none"
                full = f"{np.mean(answered == 1):.4f}"
                rows.append([f"{shards:,}", second, f"{lost:g}", *times, f"{answered.mean():.6f}", full])
    print(table(["shards", "second request", "lost", "p50 ms", "p99", "p99.9", "shards that answer", "whole"], rows))


def columns(documents: int, sample: int) -> None:
    """MGDSPR: six columns of a search of 1e8 documents by codes alone."""
    cost = replace(cost_of(sample, PlannedSearch("x", 9_600, 0.95), Kept("codes")), documents=1e8)
    rows = []
    for what, scanned in SCANNED.items():
        (one,) = plan(cost.scanning(6 * scanned), Target(1_000, 2), Machine(64e9, 16, 1.0), [6])
        times = [f"{part * 1e3:.1f}" for part in (one.p50, one.p99)]
        sizes = [f"{one.memory / 1e9:.1f}", f"{one.disk / 1e9:.0f}"]
        rows.append([what, f"{scanned:,.0f}", str(one.replicas), str(one.machines), *sizes, *times, f"{one.price:.2f}"])
    header = ["a column scans", "documents", "replicas", "machines", "GB each", "GB of disk", "p50 ms", "p99 ms"]
    print(table([*header, "price of a million"], rows))


def cost_of(sample: int, asked: PlannedSearch, kept: Kept) -> Cost:
    with indexed(vectors_of(sample, 128), asked.key, kept) as index:
        return measured_cost(index, asked, sample)


PAGES: dict[str, Callable[[int, int], None]] = {
    "check": check,
    "bytes": bytes_of_files,
    "thousand": a_thousand,
    "columns": columns,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=160_000)
    parser.add_argument("--sample", type=int, default=40_000)
    parser.add_argument("--page", choices=list(PAGES), nargs="+", default=list(PAGES))
    parsed = parser.parse_args()
    for page in parsed.page:
        print(f"\n## {page}\n", flush=True)
        PAGES[page](parsed.documents, parsed.sample)


if __name__ == "__main__":
    main()
