"""How long does it take to count five facets over a whole result?

    python benchmarks/engine/facets.py [--documents 1000000] [--repeats 50]

Data: a brand of 1,000 by a Zipf law, a list of two colours, a price, a year, and four of 2,000 tags; one segment, one
thread. The result has 55 % or 0.5 % of the documents. Beside it NumPy alone: the numbers of the same documents given,
`np.bincount` over the gathered codes of each facet, the ten largest. Both find the same counts. Processor time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn import Collection
from alicorn.query import Facet

SHARES = {"dense": 0.55, "sparse": 0.005}
EDGES = (10.0, 20.0, 50.0, 100.0)
FACETS = {
    "brand": Facet("brand"),
    "colours": Facet("colours"),
    "price": Facet("price", edges=EDGES),
    "year": Facet("year"),
    "tags": Facet(prefix="tag:"),
}
_BATCH = 50_000


def make(documents: int) -> tuple[pa.Table, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Documents; the codes of each facet, (documents, values of each); the numbers of each result's documents."""
    rng = np.random.default_rng(0)
    prices = np.round(rng.lognormal(3.0, 1.0, documents), 2)
    years = rng.integers(1990, 2025, documents)
    codes = {
        "brand": _zipf(rng, 1_000, (documents, 1)),
        "colours": _zipf(rng, 10, (documents, 2)) + np.array([0, 10]),
        "price": np.searchsorted(EDGES, prices, side="right")[:, None],
        "year": (years - 1990)[:, None],
        "tags": _zipf(rng, 500, (documents, 4)) + np.arange(4) * 500,
    }
    isin = {name: rng.random(documents) < share for name, share in SHARES.items()}
    tags = np.char.add("tag:", np.arange(2_000).astype(str)).tolist()
    terms = np.column_stack([codes["tags"], *(np.where(isin[name], 2_000 + at, 2_002) for at, name in enumerate(isin))])
    table = pa.table(
        {
            "doc_id": pa.array([f"d{number:08d}" for number in range(documents)]),
            "static_rank": rng.permutation(documents) / documents,
            "terms": _lists([*tags, *(f"in:{name}" for name in SHARES), "in:all"], terms),
            "brand": pa.array([f"b{code}" for code in range(1_000)]).take(pa.array(codes["brand"][:, 0])),
            "colours": _lists([f"c{code}" for code in range(20)], codes["colours"]),
            "price": prices,
            "year": years,
        }
    )
    return table, codes, {name: np.flatnonzero(mask) for name, mask in isin.items()}


def _zipf(rng: np.random.Generator, values: int, shape: tuple[int, int]) -> np.ndarray:
    weights = 1.0 / (np.arange(values) + 2.0)
    return rng.choice(values, shape, p=weights / weights.sum())


def _lists(values: list[str], codes: np.ndarray) -> pa.Array:
    offsets = np.arange(len(codes) + 1, dtype=np.int32) * codes.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values).take(pa.array(codes.ravel())))


def by_hand(codes: Mapping[str, np.ndarray], numbers: np.ndarray) -> dict[str, np.ndarray]:
    """The ten largest counts of each facet."""
    return {name: np.sort(np.bincount(of[numbers].ravel()))[::-1][:10] for name, of in codes.items()}


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    """Median."""
    times = []
    for _ in range(repeats):
        started = time.process_time_ns()
        call()
        times.append((time.process_time_ns() - started) / 1e6)
    return float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=50)
    arguments = parser.parse_args()
    table, codes, results = make(arguments.documents)
    with tempfile.TemporaryDirectory() as folder, Collection.create(Path(folder) / "c") as collection:
        for start in range(0, len(table), _BATCH):
            collection.upsert(table.slice(start, _BATCH))
        collection.flush()
        collection.merge()
        _report(collection, codes, results, arguments.repeats)


def _report(
    collection: Collection, codes: Mapping[str, np.ndarray], results: Mapping[str, np.ndarray], repeats: int
) -> None:
    print("Ms beside the same search without facets\n")
    print("| result | documents | " + " | ".join(FACETS) + " | all five | NumPy |\n" + "|---" * (len(FACETS) + 4) + "|")
    for name, numbers in results.items():
        expression = f"in:{name}"
        found, wanted = collection.search(expression, facets=FACETS), by_hand(codes, numbers)
        assert found.total == len(numbers)
        for facet, counts in found.facets.items():
            assert sorted((one.count for one in counts.buckets), reverse=True) == wanted[facet].tolist(), facet
        without = milliseconds(lambda expression=expression: collection.search(expression), repeats)
        asked = [*({facet: FACETS[facet]} for facet in FACETS), FACETS]
        ours = [milliseconds(lambda e=expression, f=one: collection.search(e, facets=f), repeats) for one in asked]
        theirs = milliseconds(lambda numbers=numbers: by_hand(codes, numbers), repeats)
        shown = " | ".join(f"{took - without:.2f}" for took in ours)
        print(f"| {name} | {len(numbers):,} | {shown} | {theirs:.2f} |")


if __name__ == "__main__":
    main()
