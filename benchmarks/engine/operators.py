"""What does each operator cost per document, beside `and`?

    python benchmarks/engine/operators.py [--documents 1000000] [--repeats 9] [--json FILE]

Data: documents with terms of known shares, the ids of three others in a stored column, a term for one of them, a price
and a static rank with ties; vectors of 16 dimensions for a tenth of them. Seeded, in one segment. Measured: processor
time of a request for 10 documents, the least of the repeats, on one thread. The baseline is `(and t:half t:third)`.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn import Collection

SHARES = {"t:half": 1 / 2, "t:third": 1 / 3, "t:percent": 0.01}
BASELINE = "(and t:half t:third)"
EXPRESSIONS = (
    BASELINE,
    "t:half",
    "(or t:half t:third t:percent)",
    "(difference t:half t:third)",
    "(and t:half (not t:third))",
    "(strong-or t:half (t:percent :optional-weight 0.3))",
    "(prefix t:)",
    "(prefix friend:d000)",
    "(range price :min 10 :max 90)",
    "(and t:percent (range price :min 10 :max 90))",
    "(weak-and t:half (t:third :optional-hits 10))",
    "(weak-and t:half (t:third :optional-hits {tenth}))",
    "(weak-and (t:half :optional-hits {tenth}) (t:third :optional-hits {tenth}) (t:percent :optional-hits {tenth}))",
    "(weak-and (t:half :optional-hits 1000000000) (t:third :optional-hits 1000000000))",
    "(apply friend: t:half :limit 5000)",
    "(apply friend: t:half :limit 100000)",
    "(extract friends t:half :limit 5000)",
    "(extract friends t:half :limit 100000)",
    "(nn x :radius 0.5)",
    "(nn x :k 10 :filter t:percent)",
)
_BATCH = 50_000
_DIM = 16


def collection_of(path: Path, count: int) -> Collection:
    collection = Collection.create(path, {"x": _DIM})
    rng = np.random.default_rng(1)
    for start in range(0, count, _BATCH):
        collection.upsert(_table(np.arange(start, min(start + _BATCH, count)), count, rng))
    collection.flush()
    collection.merge()
    return collection


def _table(numbers: np.ndarray, count: int, rng: np.random.Generator) -> pa.Table:
    has = rng.random((len(numbers), len(SHARES))) < list(SHARES.values())
    friends = rng.integers(count, size=(len(numbers), 3))
    vectors = rng.standard_normal((len(numbers), _DIM), dtype=np.float32)
    return pa.table(
        {
            "doc_id": [f"d{number:07d}" for number in numbers],
            "terms": pa.array(list(_terms(has, friends)), pa.list_(pa.string())),
            "friends": [[f"d{friend:07d}" for friend in row] for row in friends],
            "price": rng.uniform(0, 100, len(numbers)),
            "static_rank": rng.integers(1000, size=len(numbers)).astype(np.float64),
            "embedding:x": pa.array(
                [vector if number % 10 == 0 else None for number, vector in zip(numbers, vectors, strict=True)],
                pa.list_(pa.float32()),
            ),
        }
    )


def _terms(has: np.ndarray, friends: np.ndarray) -> Iterator[list[str]]:
    for held, friend in zip(has.tolist(), friends[:, 0].tolist(), strict=True):
        yield [term for term, holds in zip(SHARES, held, strict=True) if holds] + [f"friend:d{friend:07d}"]


def milliseconds(collection: Collection, expression: str, repeats: int) -> tuple[float, int]:
    """Of processor time, and how many documents matched."""
    vector = np.random.default_rng(2).standard_normal(_DIM).astype(np.float32)
    times = []
    for _ in range(repeats):
        started = time.process_time()
        result = collection.search(expression, {"x": vector}, limit=10)
        times.append(time.process_time() - started)
    return min(times) * 1e3, result.total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="alicorn-operators-"))
    rows: list[dict] = []
    try:
        collection = collection_of(folder / "c", arguments.documents)
        print(f"{arguments.documents:,} documents\n\n| expression | matches | ms | ns a document | times `and` |")
        print("|---|---|---|---|---|")
        for template in EXPRESSIONS:
            expression = template.format(tenth=arguments.documents // 10)
            ms, total = milliseconds(collection, expression, arguments.repeats)
            rows.append({"expression": expression, "matches": total, "ms": ms})
            times, per_document = ms / rows[0]["ms"], ms * 1e6 / arguments.documents
            print(f"| `{expression}` | {total:,} | {ms:.2f} | {per_document:.1f} | {times:.1f} |", flush=True)
        collection.close()
    finally:
        shutil.rmtree(folder)
    if arguments.json:
        arguments.json.write_text(json.dumps({"documents": arguments.documents, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
