"""How fast is a phrase beside tantivy's, and what do positions cost in bytes and in time?

    python benchmarks/engine/phrases.py [--documents 200000 1000000] [--queries 200]

Data: the titles of bm25.py; phrases are neighbouring words of a title, and the three most frequent words. One segment,
one thread, the systems in turns of 20 queries, processor time, the total counted. Ours in the order of the static rank
and of BM25; tantivy orders by the BM25 of the whole phrase. The totals of both are compared where words are to be one
after the other; with a slop they differ, because tantivy lets no word move back. Positions cost what a merged segment
with them has more than one without them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import tantivy
from harness.titles import Titles

from alicorn import Collection

TOP = 10
TURN = 20  # requests that a system answers before the next one, so that the caches are its own
FREQUENT = ["w0", "w1", "w2"]


class Tantivy:
    """Whitespace-split words with frequencies and positions, one segment."""

    def __init__(self, titles: Titles) -> None:
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("t", stored=False, tokenizer_name="whitespace", index_option="position")
        self.schema = schema.build()
        self.index = tantivy.Index(self.schema)
        writer = self.index.writer(512_000_000, 1)
        for number in range(len(titles)):
            writer.add_document(tantivy.Document(t=" ".join(titles.title(number))))
        writer.commit()
        writer.wait_merging_threads()
        self.index.reload()
        self.searcher = self.index.searcher()

    def total(self, words: Sequence[str], slop: int) -> int:
        query = tantivy.Query.phrase_query(self.schema, "t", list(words), slop)
        return int(self.searcher.search(query, TOP, count=True).count)


def phrases(titles: Titles, count: int, length: int, seed: int = 2) -> list[list[str]]:
    """So many neighbouring words of a title each."""
    rng = np.random.default_rng(seed)
    made: list[list[str]] = []
    while len(made) < count:
        title = titles.title(int(rng.integers(len(titles))))
        if len(title) >= length:
            start = int(rng.integers(len(title) - length + 1))
            made.append(title[start : start + length])
    return made


def timed(call: Callable[[], int]) -> tuple[float, int]:
    started = time.process_time_ns()
    answer = call()
    return (time.process_time_ns() - started) / 1000, answer


def measure(titles: Titles, queries: int) -> None:
    theirs = Tantivy(titles)
    asked = {
        "two words": phrases(titles, queries, 2),
        "three words": phrases(titles, queries, 3),
        "the two most frequent words": [FREQUENT[:2]] * TURN,
        "the three most frequent words": [FREQUENT] * TURN,
    }
    with tempfile.TemporaryDirectory() as folder:
        plain, plain_s = built(titles, Path(folder) / "plain", ())
        plain_bytes = plain.verify().num_bytes
        plain.close()
        collection, seconds = built(titles, Path(folder) / "c", ("text",))
        num_words = len(titles.words)
        more = collection.verify().num_bytes - plain_bytes
        print(f"\n{len(titles):,} titles of {num_words / len(titles):.1f} words; build {plain_s:.1f} s of processor")
        print(f"positions: {more / len(titles):.1f} bytes a document, of {plain_bytes / len(titles):.0f};", end=" ")
        print(f"{more / num_words:.2f} a word; build {seconds:.1f} s\n")
        print("| row | system | hits | p50 us | p99 us | its p50 by ours |\n|---|---|--:|--:|--:|--:|")
        for name, all_words in asked.items():
            for slop in (0, 2):
                report(f"{name}, slop {slop}", *turns(collection, theirs, all_words, slop))
        collection.close()


def built(titles: Titles, folder: Path, positions: Sequence[str]) -> tuple[Collection, float]:
    started = time.process_time()
    collection = titles.publish(folder, positions)
    return collection, time.process_time() - started


def turns(
    collection: Collection, theirs: Tantivy, all_words: list[list[str]], slop: int
) -> tuple[dict[str, list[float]], float]:
    """System -> microseconds of each query; and the mean number of hits of ours."""

    def ours(order_by: str, words: Sequence[str]) -> int:
        return collection.search(f"(phrase text {' '.join(words)} :slop {slop})", limit=TOP, order_by=order_by).total

    systems: dict[str, Callable[[Sequence[str]], int]] = {
        "alicorn": partial(ours, "static_rank"),
        "alicorn, by BM25": partial(ours, "bm25"),
        "tantivy": lambda words: theirs.total(words, slop),
    }
    times: dict[str, list[float]] = {system: [] for system in systems}
    hits: list[int] = []
    for start in range(0, len(all_words), TURN):
        turn = all_words[start : start + TURN]
        totals: dict[str, list[int]] = {}
        for system, search in systems.items():
            search(turn[-1])
            measured = [timed(partial(search, words)) for words in turn]
            times[system] += [us for us, _ in measured]
            totals[system] = [total for _, total in measured]
        assert slop or totals["alicorn"] == totals["tantivy"]
        hits += totals["alicorn"]
    return times, float(np.mean(hits))


def report(name: str, times: dict[str, list[float]], hits: float) -> None:
    ours = float(np.median(times["alicorn"]))
    for system, us in times.items():
        p50, p99 = np.percentile(us, [50, 99])
        shown = f"{hits:,.0f}" if system == "alicorn" else ""
        print(f"| {name} | {system} | {shown} | {p50:.0f} | {p99:.0f} | {p50 / ours:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, nargs="+", default=[200_000])
    parser.add_argument("--queries", type=int, default=200)
    arguments = parser.parse_args()
    for documents in arguments.documents:
        measure(Titles.make(documents), arguments.queries)


if __name__ == "__main__":
    main()
