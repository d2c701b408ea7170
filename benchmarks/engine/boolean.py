"""How fast are the first ten of a Boolean expression by static rank, with their exact total?

    python benchmarks/engine/boolean.py [--documents 1000000] [--queries 200]

Data: titles of Zipf words, four tags of stated frequencies, static ranks without ties; one segment, one thread.
Beside each row what the same collection takes for an expression over nothing (the price of the call itself), and what a
user writes by hand with NumPy: a mask per tag, combined, counted, and the ten best ranks of it. Processor time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from harness.titles import TAGS, Titles

NOTHING = "tag:nobody"
ROWS: dict[str, tuple[str, Callable[..., np.ndarray]]] = {
    "frequent": ("tag:frequent", lambda frequent, half, tenth, rare: frequent),
    "rare": ("tag:rare", lambda frequent, half, tenth, rare: rare),
    "and": ("(and tag:frequent tag:half)", lambda frequent, half, tenth, rare: frequent & half),
    "and of three": (
        "(and tag:frequent tag:half tag:tenth)",
        lambda frequent, half, tenth, rare: frequent & half & tenth,
    ),
    "or": ("(or tag:frequent tag:half)", lambda frequent, half, tenth, rare: frequent | half),
    "difference": ("(difference tag:frequent tag:half)", lambda frequent, half, tenth, rare: frequent & ~half),
    "rare of frequent": ("(and tag:frequent tag:rare)", lambda frequent, half, tenth, rare: frequent & rare),
}


def by_hand(masks: list[np.ndarray], combine: Callable[..., np.ndarray], ranks: np.ndarray) -> tuple[np.ndarray, int]:
    """The ten best ranks, and how many there are."""
    numbers = np.flatnonzero(combine(*masks))
    return np.sort(np.partition(-ranks[numbers], 9)[:10]) if len(numbers) > 10 else -ranks[numbers], len(numbers)


def microseconds(call: Callable[[], object], repeats: int) -> list[float]:
    times = []
    for _ in range(repeats):
        started = time.process_time_ns()
        call()
        times.append((time.process_time_ns() - started) / 1000)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=200, help="repeats of each row")
    arguments = parser.parse_args()
    titles = Titles.make(arguments.documents)
    masks = [titles.tags[:, at].copy() for at in range(len(TAGS))]
    with tempfile.TemporaryDirectory() as folder, titles.publish(Path(folder) / "c") as collection:
        collection.search("(and tag:frequent tag:half)")
        nothing = float(np.median(microseconds(lambda: collection.search(NOTHING), arguments.queries)))
        print(f"{len(titles):,} documents; an expression over nothing: {nothing:.1f} us\n")
        print("| row | documents | p50 us | p99 us | over the call us | NumPy by hand us |\n|---|---|---|---|---|---|")
        for name, (expression, combine) in ROWS.items():
            result = collection.search(expression)
            ranks, total = by_hand(masks, combine, titles.ranks)
            assert result.total == total
            assert np.allclose(result.scores, -ranks[:10])
            ours = microseconds(lambda expression=expression: collection.search(expression), arguments.queries)
            theirs = microseconds(lambda combine=combine: by_hand(masks, combine, titles.ranks), 10)
            p50, p99 = np.percentile(ours, [50, 99])
            over = p50 - nothing
            print(f"| {name} | {total:,} | {p50:.1f} | {p99:.1f} | {over:.1f} | {np.median(theirs):.0f} |")


if __name__ == "__main__":
    main()
