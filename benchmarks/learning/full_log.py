"""How much memory do `mine`, `propensity`, `related` and `rank train` take for a log that is larger than it?

    python benchmarks/learning/full_log.py --searches 100000 --memory-limit 512MB

Data: generated; 10 documents shown to a search, of 200,000, with 8 logged features; 0.6 events to a search, of 100,000
searchers. `mine` also looks up what each searcher did before each search. `rank train` reads the clicks of all that was
shown, and learns a forest. The peak is the resident memory of a process of its own for each; --memory-limit bounds what
DuckDB holds of it. The peak of 10,000 searches is mostly what does not grow: Python, Arrow, DuckDB. Time is of the
processor.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from alicorn.logs import mine
from alicorn.logs.propensity import propensities
from alicorn.logs.related import write_related
from alicorn.pairs import PairsFolder
from alicorn.query import Collection
from alicorn.ranking.features import FeatureSet
from alicorn.ranking.learning.examples import rank_examples, read_history, searches_of
from alicorn.ranking.learning.lambdamart import ForestSettings, learn_forest
from alicorn.vertical import Vertical

FEATURES = FeatureSet.model_validate({"features": {f"f{at}": {"kind": "clicks"} for at in range(8)}})
DOCUMENTS, SEARCHERS, SHOWN, PART = 200_000, 100_000, 10, 50_000
_NUMBERS = pa.list_(pa.float64())
START = 1_767_225_600_000_000
VERTICAL = Vertical.model_validate(
    {
        "name": "generated",
        "embedding": "generated",
        "document": {
            "features": {"title": {"kind": "text", "column": "title"}},
            "terms": [{"prefix": "text", "column": "title", "kind": "words"}],
        },
        "request": {
            "features": {"text": {"kind": "text", "column": "query"}},
            "behaviour": {"kinds": ["click", "cart"], "past_queries": 5},
        },
        "split": {"valid": 0.1, "test": 0.1},
        "actions": {"click": 1, "cart": 3},
    }
)


def write(folder: Path, searches: int) -> None:
    rng = np.random.default_rng(0)
    documents = np.array([f"d{number:06d}" for number in range(DOCUMENTS)])
    folder.mkdir()
    pq.write_table(pa.table({"doc_id": documents, "title": documents}), folder / "documents.parquet")
    for name in ("searches", "shown", "events"):
        (folder / name).mkdir()
    for first in range(0, searches, PART):
        count = min(PART, searches - first)
        ids = np.array([f"{number:032x}" for number in range(first, first + count)])
        at = START + (np.arange(first, first + count) * 2_000_000)
        who = np.array([f"u{number:06d}" for number in rng.integers(0, SEARCHERS, count)])
        query = np.array([f"words of {number}" for number in rng.integers(0, 50_000, count)])
        page = documents[(rng.random((count, SHOWN)) ** 2 * DOCUMENTS).astype(np.int64)]
        done = np.flatnonzero(rng.random(count) < 0.6)
        place = rng.integers(0, SHOWN, len(done))
        tables = {
            "searches": {"search_id": ids, "searcher_id": who, "time": at.astype("M8[us]"), "query": query},
            "shown": {
                "search_id": ids.repeat(SHOWN),
                "doc_id": page.ravel(),
                "position": np.tile(np.arange(1, SHOWN + 1), count),
                "features": pa.FixedSizeListArray.from_arrays(rng.random(count * SHOWN * 8), 8).cast(_NUMBERS),
                "feature_set": [FEATURES.fingerprint()] * (count * SHOWN),
            },
            "events": {
                "event_id": np.char.add("e", ids[done]),
                "search_id": ids[done],
                "searcher_id": who[done],
                "time": (at[done] + 9_000_000).astype("M8[us]"),
                "doc_id": page[done, place],
                "action": np.where(rng.random(len(done)) < 0.9, "click", "cart"),
            },
        }
        for name, columns in tables.items():
            pq.write_table(pa.table(columns), folder / name / f"part-{first:09d}.parquet")


def ranked(pairs: Path) -> tuple[int, int]:
    """Searches to learn from, whose features are all in the log; and trees."""
    with Collection.create(pairs.parent / "collection", {}) as empty:
        asks: Any = SimpleNamespace(collection=empty, vertical=VERTICAL, models={}, columns=(), regions=None)
        folder = PairsFolder(pairs)
        found = rank_examples(folder, asks, FEATURES, read_history(folder), ("train", "valid"))
    parts = (found.take(searches_of(found, split)) for split in ("train", "valid"))
    return found.logged, learn_forest(*parts, FEATURES, ForestSettings()).trees


def run(what: str, folder: Path, memory_limit: str) -> str:
    """In a process of its own."""
    logs, pairs = folder / "logs", folder / "pairs"
    if what == "mine":
        counts = mine(logs, VERTICAL, pairs, memory_limit=memory_limit)
        return f"{counts['searches']:,} searches, {counts['impressions']:,} shown"
    if what == "propensity":
        return f"{propensities(logs, VERTICAL, memory_limit=memory_limit).clicks:,} clicks"
    if what == "related":
        counts = write_related(logs, VERTICAL, folder / "related.parquet", memory_limit=memory_limit)
        return f"{counts['documents']:,} documents"
    return "{:,} searches with logged features, {} trees".format(*ranked(pairs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=100_000)
    parser.add_argument("--memory-limit", default="512MB")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)  # in a process of its own
    asked = parser.parse_args()
    if asked.run:
        started = time.process_time()
        said = run(asked.run[0], Path(asked.run[1]), asked.memory_limit)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        took = time.process_time() - started
        print(f"{asked.run[0]}: {said}: peak {peak:,.0f} MB, {took:.1f} s", flush=True)
        return
    for searches in (10_000, asked.searches):
        with tempfile.TemporaryDirectory() as temporary:
            write(Path(temporary) / "logs", searches)
            for what in ("mine", "propensity", "related", "rank train"):
                options = ["--run", what, temporary, "--memory-limit", asked.memory_limit]
                subprocess.run([sys.executable, __file__, *options], check=True)


if __name__ == "__main__":
    main()
