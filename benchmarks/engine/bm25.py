"""How fast are the first ten by BM25, with the total, beside tantivy and bm25s?

    python benchmarks/engine/bm25.py [--documents 200000 1000000] [--queries 300]

Data: titles of Zipf words; queries of two to four words of a title, and single words of three frequencies. One segment,
one thread, the systems in turns of 20 queries, processor time. tantivy counts all hits (`count=True`), as we do; its
searcher without the count is a column of its own. bm25s scores every document in NumPy and has no Boolean operators,
so it takes part in `or` and single words, up to a million titles: it takes them as lists of words, 1 KB a title. The
scores of ours are checked against bm25s's where it takes part. The rows `fuzzy` ask for the documents of all words
within one or two edits of a word of a title, the first ten in no order of BM25 (both systems score no fuzzy term);
their totals are checked against each other. The rows `fields` order by BM25F, of words that are in two fields.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import bm25s
import numpy as np
import tantivy
from harness.titles import Titles

from alicorn import Collection

K1, B, TOP = 1.2, 0.75, 10
SINGLE = ("w0", "w3", "w30")
MOST_OF_BM25S = 1_000_000  # documents
TURN = 20  # requests that a system answers before the next one, so that the caches are its own


class Tantivy:
    """Whitespace-split words with frequencies, one segment."""

    def __init__(self, titles: Titles) -> None:
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("t", stored=False, tokenizer_name="whitespace", index_option="freq")
        self.index = tantivy.Index(schema.build())
        writer = self.index.writer(512_000_000, 1)
        for number in range(len(titles)):
            writer.add_document(tantivy.Document(t=" ".join(titles.title(number))))
        writer.commit()
        writer.wait_merging_threads()
        self.index.reload()
        self.searcher = self.index.searcher()

    def search(self, words: list[str], operator: str, count: bool) -> object:
        text = (" AND " if operator == "and" else " ").join(words)
        return self.searcher.search(self.index.parse_query(text, ["t"]), TOP, count=count)

    def search_fuzzy(self, word: str, edits: int) -> int:
        """How many documents have a word within so many edits, a transposition as one."""
        query = tantivy.Query.fuzzy_term_query(self.index.schema, "t", word, distance=edits)
        return int(self.searcher.search(query, TOP, count=True).count)


class Bm25s:
    """Scores of all documents in a sparse matrix."""

    def __init__(self, titles: Titles) -> None:
        corpus = [titles.title(number) for number in range(len(titles))]
        self.model = bm25s.BM25(method="lucene", k1=K1, b=B)
        self.model.index(corpus, show_progress=False)

    def search(self, words: list[str]) -> np.ndarray:
        _, scores = self.model.retrieve([words], k=TOP, show_progress=False, n_threads=0)
        return scores[0]


def timed(call: Callable[[], object]) -> tuple[float, object]:
    started = time.process_time_ns()
    answer = call()
    return (time.process_time_ns() - started) / 1000, answer


def measure_fuzzy(
    collection: Collection, theirs: Tantivy, titles: Titles, queries: int
) -> dict[str, dict[str, list[float]]]:
    """Row -> system -> microseconds of each query."""
    times: dict[str, dict[str, list[float]]] = {}
    words = [words[0] for words in titles.queries(queries)]
    for edits in (1, 2):
        systems: dict[str, Callable[[str], int]] = {
            "alicorn": lambda word, edits=edits: (
                collection.search(f"(fuzzy text:{word} :edits {edits} :terms 100000)").total
            ),
            "alicorn, 50 terms": lambda word, edits=edits: (
                collection.search(f"(fuzzy text:{word} :edits {edits})").total
            ),
            "tantivy": lambda word, edits=edits: theirs.search_fuzzy(word, edits),
        }
        row = times[f"fuzzy, {edits} edits"] = {system: [] for system in systems}
        for start in range(0, len(words), TURN):
            totals = {}
            for system, search in systems.items():
                search(words[start])
                measured = [
                    timed(lambda word=word, search=search: search(word)) for word in words[start : start + TURN]
                ]
                row[system].extend(us for us, _ in measured)
                totals[system] = [total for _, total in measured]
            assert totals["alicorn"] == totals["tantivy"]
    return times


def measure_fields(titles: Titles, queries: int) -> dict[str, dict[str, list[float]]]:
    """The same, by BM25 and by BM25F of one field and of two; every word is looked for once before it is timed."""
    times: dict[str, dict[str, list[float]]] = {}
    orders = {
        "alicorn": "bm25",
        "alicorn, one field": {"bm25": {"fields": {"text": 1}}},
        "alicorn, two fields": {"bm25": {"fields": {"title": 3, "body": 1}}},
    }
    shapes = {"or": "(or {})", "and": "(and {})", "or, of half": "(and tag:half (or {}))"}
    with tempfile.TemporaryDirectory() as folder, titles.publish(Path(folder) / "c", fields=True) as collection:
        for shape, written in shapes.items():
            for words in titles.queries(queries):
                text = written.format(" ".join(f"text:{word}" for word in words))
                for system, order in orders.items():
                    collection.search(text, order_by=order)
                    us, _ = timed(lambda text=text, order=order: collection.search(text, order_by=order))
                    times.setdefault(f"fields, {shape}", {}).setdefault(system, []).append(us)
    return times


def measure(titles: Titles, queries: int) -> None:
    theirs = Tantivy(titles)
    sparse = Bm25s(titles) if len(titles) <= MOST_OF_BM25S else None
    times: dict[str, dict[str, list[float]]] = {}
    asked = {operator: titles.queries(queries) for operator in ("or", "and")}
    asked |= {word: [[word]] * TURN for word in SINGLE}
    with tempfile.TemporaryDirectory() as folder, titles.publish(Path(folder) / "c") as collection:
        for name, all_words in asked.items():
            operator = "and" if name == "and" else "or"
            systems: dict[str, Callable[[list[str]], object]] = {
                "alicorn": lambda words, operator=operator: (
                    collection.search(
                        f"({operator} {' '.join(f'text:{word}' for word in words)})", order_by="bm25"
                    ).scores
                ),
                "tantivy": lambda words, operator=operator: theirs.search(words, operator, True),
                "tantivy, no total": lambda words, operator=operator: theirs.search(words, operator, False),
            }
            if operator == "or" and sparse is not None:
                systems["bm25s"] = sparse.search
            for start in range(0, len(all_words), TURN):
                turn = all_words[start : start + TURN]
                answers = {}
                for system, search in systems.items():
                    search(turn[-1])
                    measured = [timed(lambda words=words, search=search: search(words)) for words in turn]
                    times.setdefault(name, {}).setdefault(system, []).extend(us for us, _ in measured)
                    answers[system] = [answer for _, answer in measured]
                for ours, scores in zip(answers["alicorn"], answers.get("bm25s", []), strict=False):
                    assert np.allclose(ours, scores[: len(ours)], rtol=1e-4)
        times |= measure_fuzzy(collection, theirs, titles, queries)
    times |= measure_fields(titles, queries)
    print(f"\n{len(titles):,} titles\n")
    print("| row | system | p50 us | p99 us | its p50 by ours |\n|---|---|---|---|---|")
    for name, rows in times.items():
        ours = float(np.median(rows["alicorn"]))
        for system, us in rows.items():
            p50, p99 = np.percentile(us, [50, 99])
            print(f"| {name} | {system} | {p50:.0f} | {p99:.0f} | {p50 / ours:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, nargs="+", default=[200_000])
    parser.add_argument("--queries", type=int, default=300)
    arguments = parser.parse_args()
    for documents in arguments.documents:
        measure(Titles.make(documents), arguments.queries)


if __name__ == "__main__":
    main()
