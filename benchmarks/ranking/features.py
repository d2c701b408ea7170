"""How long does it take to compute the features of the candidates of a request?

    python benchmarks/ranking/features.py [--documents 100000] [--repeats 200]

Data: documents with four prefixes of words, two embeddings, numbers, dates, places and lists; a log of 10 impressions a
document; 30 features of all kinds; 200 candidates of a text of three words. Processor time
of a request, median and 95th percentile, and of each kind alone. The aim is 1 ms.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn.query import Collection
from alicorn.ranking.features import Candidates, ClickHistory, FeatureSet
from alicorn.retrieval.asked import Asked
from alicorn.vertical import Vertical

PREFIXES = ("text", "title", "brand", "tags")
NUMBERS = tuple(f"n{at}" for at in range(5))
_DIM = 64
_CANDIDATES = 200
_LISTED = 1_000  # values of lists

FEATURES = FeatureSet.model_validate(
    {
        "features": {
            **{f"bm25-{prefix}": {"kind": "bm25", "prefix": prefix} for prefix in PREFIXES},
            **{f"matched-{prefix}": {"kind": "matched", "prefix": prefix} for prefix in PREFIXES},
            "exact": {"kind": "exact", "prefix": "name"},
            "similar": {"kind": "similar", "column": "names"},
            "length": {"kind": "query_words", "prefix": "text"},
            "first": {"kind": "cosine", "key": "first"},
            "second": {"kind": "cosine", "key": "second"},
            "rank": {"kind": "static_rank"},
            **{name: {"kind": "column", "column": name} for name in NUMBERS},
            "age": {"kind": "age", "column": "born"},
            "km": {"kind": "distance", "document": ["lat", "lon"], "searcher": ["lat", "lon"]},
            "city": {"kind": "common", "document": "city", "searcher": "city"},
            "friends": {"kind": "common", "document": "friends", "searcher": "friends"},
            "groups": {"kind": "common", "document": "groups", "searcher": "groups"},
            "past": {"kind": "past", "searcher": "bought"},
            "seen": {"kind": "past", "searcher": "seen"},
            "week": {"kind": "clicks", "half_life_days": 7},
            "month": {"kind": "clicks", "half_life_days": 30},
            "ever": {"kind": "clicks", "half_life_days": None},
            "popularity": {"kind": "popularity"},
        }
    }
)
VERTICAL = Vertical.model_validate(
    {
        "name": "features",
        "embedding": "first",
        "document": {
            "features": {"title": {"kind": "text", "column": "title"}},
            "terms": [
                *({"prefix": prefix, "column": "title", "kind": "words"} for prefix in PREFIXES),
                {"prefix": "name", "column": "title", "kind": "phrase"},
            ],
        },
        "request": {"features": {"text": {"kind": "text", "column": "query"}}},
        "split": {"valid": 0.1},
    }
)


def documents(count: int) -> pa.Table:
    rng = np.random.default_rng(0)
    words = np.minimum(rng.zipf(1.3, (count, len(PREFIXES), 6)), 20_000)
    terms = np.char.add(np.array([f"{prefix}:w" for prefix in PREFIXES])[None, :, None], words.astype(str))
    table = {
        "doc_id": [f"d{number:08d}" for number in range(count)],
        "terms": terms.reshape(count, -1).tolist(),
        "static_rank": rng.random(count),
        "names": np.char.add("w", words[:, 0, :3].astype(str)).tolist(),
        "city": [f"c{one}" for one in rng.integers(0, 500, count)],
        "friends": _lists(rng, count, 20, "p"),
        "groups": _lists(rng, count, 5, "g"),
        "born": pa.array(rng.integers(0, 2**50, count), pa.timestamp("us")),
        "lat": rng.uniform(-90, 90, count),
        "lon": rng.uniform(-180, 180, count),
        **{name: np.where(rng.random(count) < 0.1, np.nan, rng.random(count)) for name in NUMBERS},
    }
    for key in ("first", "second"):
        vectors = rng.normal(size=(count, _DIM)).astype(np.float32).ravel()
        table[f"embedding:{key}"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors), _DIM).cast(
            pa.list_(pa.float32())
        )
    return pa.table(table)


def _lists(rng: np.random.Generator, count: int, length: int, letter: str) -> list[list[str]]:
    return [[f"{letter}{one}" for one in row] for row in rng.integers(0, _LISTED, (count, length)).tolist()]


def asked() -> Asked:
    rng = np.random.default_rng(1)
    unit = np.zeros((1, _DIM), dtype=np.float32)
    unit[0, 0] = 1.0
    known = {
        "lat": 50.0,
        "lon": 8.0,
        "city": "c7",
        **{name: _lists(rng, 1, 200, letter)[0] for name, letter in (("friends", "p"), ("groups", "g"))},
        **{name: [f"d{one:08d}" for one in rng.integers(0, 10_000, 50)] for name in ("bought", "seen")},
    }
    return Asked("w1 w2 w7", {"first": unit, "second": unit}, known, 2**50)


def history(count: int) -> ClickHistory:
    rng = np.random.default_rng(2)
    rows = rng.integers(0, count, 10 * count)
    ids = pa.array([f"d{number:08d}" for number in range(count)]).take(pa.array(rows))
    times = pa.array(rng.integers(0, 2**50, len(rows)), pa.timestamp("us"))
    clicked = rng.random(len(rows)) < 0.1
    return ClickHistory.of(
        pa.table({"doc_id": ids, "time": times, "position": rng.integers(1, 11, len(rows)), "clicked": clicked})
    )


def taken(call: Callable[[], object], repeats: int) -> str:
    """Milliseconds of processor time, median and 95th percentile."""
    call()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        call()
        times.append((time.process_time() - started) * 1000)
    return ", ".join(f"{value:.2f}" for value in np.percentile(times, (50, 95)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=200)
    given = parser.parse_args()
    table, clicks, request = documents(given.documents), history(given.documents), asked()
    print("| what | p50, p95 ms |")
    print("|---|---|")
    with (
        tempfile.TemporaryDirectory() as folder,
        Collection.create(Path(folder) / "c", {"first": _DIM, "second": _DIM}) as collection,
    ):
        collection.upsert(table)
        collection.flush()
        found = collection.search("(or text:w1 text:w2 text:w7)", limit=_CANDIDATES, order_by="bm25")

        def matrix(wanted: FeatureSet) -> np.ndarray:
            address = (found.snapshot, found.segments, found.numbers)
            return wanted.matrix(Candidates(*address, request, VERTICAL, clicks))

        print(f"| {len(FEATURES.names)} features | {taken(lambda: matrix(FEATURES), given.repeats)} |")
        for kind in dict.fromkeys(one.kind for one in FEATURES.features.values()):
            of_kind = {name: one.model_dump() for name, one in FEATURES.features.items() if one.kind == kind}
            alone = FeatureSet.model_validate({"features": of_kind})
            print(f"| {len(of_kind)} of {kind} | {taken(lambda alone=alone: matrix(alone), given.repeats)} |")


if __name__ == "__main__":
    main()
