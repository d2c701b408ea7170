"""How many rows does featurising take per second on one core? The aim: 1M short strings/s.

Data: people of the generated world (names of about 14 characters, many not ASCII), repeated; names in Japanese letters.
Baseline: the same n-grams by plain Python (strings, a 64-bit hash per n-gram), on a sample. Quality: both give the same
bags. What bounds it: hashing, about 16 n-grams a name; beyond Latin letters, alicorn.text in Python.

One core of an AMD EPYC: 5.3M names/s (ASCII alone 10M, katakana 0.2M), plain Python 0.05M; whole documents 2.4M/s.

    python benchmarks/learning/featurising.py [--rows 1000000]
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa

from alicorn.features import Featurizer
from alicorn.features.kinds.text import TextSettings, text_bags
from alicorn.towers.layout.layout import layout
from alicorn.towers.settings.towers import Towers
from alicorn.vertical import Vertical
from alicorn.worlds.people.world import VERTICAL, PeopleWorld

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from hashing_oracle import text_grams

_BUCKETS = 1 << 17
_SAMPLE = 20_000  # rows for plain Python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    documents = PeopleWorld.generate(20_000, seed=0).documents()
    names = documents["name"].combine_chunks().cast(pa.large_string())
    ascii_names = pa.array([name for name in names.to_pylist() if name.isascii()], pa.large_string())
    shifted = str.maketrans({chr(97 + letter): chr(0x30A2 + letter) for letter in range(26)})
    katakana = pa.array([name.lower().translate(shifted) for name in names.to_pylist()], pa.large_string())
    settings = TextSettings()

    sample = names[:_SAMPLE].to_pylist()
    python_s, bags = _best_s(lambda: [text_grams(name, _BUCKETS, settings) for name in sample], rounds=2)
    ours = text_bags(names[:_SAMPLE], _BUCKETS, settings)
    assert ours.indices.tolist() == [index for bag in bags for index in bag], "the two give different bags"

    print(f"{rows:,} rows, one core; best of 3")
    print("| what | rows/s | n-grams/s | times plain Python |")
    print("|---|--:|--:|--:|")
    grams = sum(map(len, bags)) / len(bags)
    print(f"| names, plain Python | {len(sample) / python_s:,.0f} | {grams * len(sample) / python_s:,.0f} | 1 |")
    for what, column in (("names", names), ("names, ASCII only", ascii_names), ("names, katakana", katakana)):
        column = _repeated(column, rows)
        seconds, bag = _best_s(lambda column=column: text_bags(column, _BUCKETS, settings))  # type: ignore[misc]
        faster = rows / seconds / (len(sample) / python_s)
        print(f"| {what} | {rows / seconds:,.0f} | {bag.offsets[-1] / seconds:,.0f} | {faster:,.0f} |")

    vertical = Vertical.load(VERTICAL)
    side = layout(Towers(), vertical).document
    buckets = {channel: (_BUCKETS,) * len(tables) for channel, tables in side.tables.items()}
    featurizer = Featurizer("document", side.features, buckets, settings, {})
    seconds, _ = _best_s(lambda: featurizer.transform(documents))
    print(f"| documents, all {len(side.features)} features | {len(documents) / seconds:,.0f} | | |")
    one = documents.slice(0, 1)
    seconds = np.median([_best_s(lambda: featurizer.transform(one), rounds=1)[0] for _ in range(300)])
    print(f"\nOne document alone: {seconds * 1e6:,.0f} us (median), most of it calls into Arrow.")


def _repeated(column: pa.Array, rows: int) -> pa.Array:
    return column.take(pa.array(np.arange(rows) % len(column)))


def _best_s(work: Callable[[], Any], rounds: int = 3) -> tuple[float, Any]:
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - started)
    return min(seconds), result


if __name__ == "__main__":
    main()
