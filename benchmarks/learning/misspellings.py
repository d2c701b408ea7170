"""What do fuzzy terms give BM25 on queries with a misspelt word, and what do they cost on queries without one?

Data: msrd (movies; human labels) and misspellings (codespell's dictionary) of the folder that is given. Of each query
of the valid split that has a word with a known misspelling, one such word is replaced by one of them (seed 0).
All text columns are one field; a query asks for any of its words, by BM25, first 10, judged by NDCG@10. Each row writes
the words of a query in another way. Processor time per query.

    python benchmarks/learning/misspellings.py DATA
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from stems import COLUMNS, FIRST, judged, ndcg_of

from alicorn import Collection
from alicorn.analysis import Analyzer
from alicorn.language.tree import Fuzzy, Node, Or, Term
from alicorn.vertical.analysis import operands
from alicorn.vertical.indexing.terms import as_lists, interleave, word_terms

WAYS: dict[str, Callable[[str], Node]] = {
    "words": Term,
    "fuzzy, 1 edit": Fuzzy,
    "fuzzy, 1 edit, first letter exact": lambda term: Fuzzy(term, exact=1),
    "... below 1": lambda term: Fuzzy(term, below=1),
    "... below 2": lambda term: Fuzzy(term, below=2),
    "... below 5": lambda term: Fuzzy(term, below=5),
    "... below 30": lambda term: Fuzzy(term, below=30),
    "2 edits below 2": lambda term: Fuzzy(term, 2, below=2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with msrd/ and misspellings/")
    data = parser.parse_args().data
    right, wrong, gains = queries(data)
    documents = pq.read_table(data / "msrd" / "corpus.parquet")
    parts = [word_terms(documents[column], "text", Analyzer()) for column in COLUMNS["msrd"]]
    terms = as_lists(*interleave(parts), len(documents))
    print(f"{len(gains):,} queries\n")
    print("| words of the query | NDCG@10, as written | us | NDCG@10, a word misspelt | us |\n|---|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder, Collection.create(Path(folder) / "c", {}) as collection:
        collection.upsert(pa.table({"doc_id": documents["doc_id"], "terms": terms}))
        collection.flush()
        for name, way in WAYS.items():
            cells = []
            for asked in (right, wrong):
                started = time.process_time()
                expressions = [Or(tuple(map(way, one))) for one in asked]
                found = [collection.search(one, limit=FIRST, order_by="bm25").ids for one in expressions]
                took_us = (time.process_time() - started) / len(asked) * 1e6
                cells += [f"{ndcg_of(found, gains).mean():.4f}", f"{took_us:.0f}"]
            print(f"| {name} | {' | '.join(cells)} |")


def queries(data: Path) -> tuple[list[list[str]], list[list[str]], list[dict[str, float]]]:
    """The terms of each query as it is, and with a misspelt word; the grades of its documents."""
    misspellings: dict[str, list[str]] = {}
    for row in pq.read_table(data / "misspellings" / "codespell.parquet").to_pylist():
        if row["misspelling"].isalnum():
            for correction in row["corrections"]:
                misspellings.setdefault(f"text:{correction}", []).append(f"text:{row['misspelling'].lower()}")
    rng = random.Random(0)
    right, wrong, gains = [], [], []
    for text, grades in zip(*judged(data / "msrd"), strict=True):
        terms = [node.term for node in operands(Analyzer(), "text", text) if isinstance(node, Term)]
        places = [place for place, term in enumerate(terms) if term in misspellings]
        if places:
            place = rng.choice(places)
            right.append(terms)
            wrong.append([*terms[:place], rng.choice(misspellings[terms[place]]), *terms[place + 1 :]])
            gains.append(grades)
    return right, wrong, gains


if __name__ == "__main__":
    main()
