"""What do stems give BM25 on real queries with judged documents?

Data: msrd (movies; human labels) and places-geonames (places by alternate names), of the folder that is given. All text
columns are one field, as in the examples; a query asks for any of its words (`(or {terms})`), by BM25, first 10.
Judged by NDCG@10 over the valid split; the interval is of the paired difference (bootstrap).

    python benchmarks/learning/stems.py DATA [--language english] [--only msrd]
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alicorn import Collection
from alicorn.analysis import Analyzer
from alicorn.evaluation.metrics.bootstrap import mean_interval
from alicorn.language.tree import Or
from alicorn.vertical.analysis import operands
from alicorn.vertical.indexing.terms import as_lists, interleave, word_terms

COLUMNS = {
    "msrd": ("title", "overview", "tags", "genres", "director", "actors", "characters"),
    "places-geonames": ("title", "alternate_names"),
}
FIRST = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with msrd/ and places-geonames/")
    parser.add_argument("--language", default="english", help="of the Snowball stemmer")
    parser.add_argument("--only", choices=list(COLUMNS), help="one set instead of both")
    arguments = parser.parse_args()
    print("| set | queries | analysis | NDCG@10 | difference, 95 % | terms | documents read, ms of processor |")
    print("|---|--:|---|--:|---|--:|--:|")
    for name in [arguments.only] if arguments.only else COLUMNS:
        report(name, arguments.data / name, arguments.language)


def report(name: str, folder: Path, language: str) -> None:
    """A row for words as they are, and one for their stems."""
    queries, gains = judged(folder)
    documents = pq.read_table(folder / "corpus.parquet")
    base: np.ndarray | None = None
    for label, analyzer in (("words", Analyzer()), (f"stems, {language}", Analyzer(stem=language))):
        started = time.process_time()
        parts = [word_terms(documents[column], "text", analyzer) for column in COLUMNS[name]]
        terms = as_lists(*interleave(parts), len(documents))
        took_ms = (time.process_time() - started) * 1000
        values = ndcg(documents["doc_id"], terms, analyzer, queries, gains)
        difference = ""
        if base is not None:
            interval = mean_interval(values - base)
            difference = f"{interval.mean:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"
        base = values if base is None else base
        distinct = pc.count_distinct(terms.flatten()).as_py()
        counts = f"{difference} | {distinct:,} | {took_ms:,.0f} |"
        print(f"| {name} | {len(queries):,} | {label} | {values.mean():.4f} | {counts}")


def judged(folder: Path) -> tuple[list[str], list[dict[str, float]]]:
    """Texts of the queries of the valid split, and of each the grades of its judged documents."""
    table = pq.read_table(folder / "queries.parquet")
    table = table.filter(pc.equal(table["split"], "valid"))
    grades: dict[str, dict[str, float]] = {query_id: {} for query_id in table["query_id"].to_pylist()}
    for row in pq.read_table(folder / "qrels.parquet").to_pylist():
        if row["grade"] > 0 and row["query_id"] in grades:
            grades[row["query_id"]][row["doc_id"]] = float(row["grade"])
    kept = [(text, of) for text, of in zip(table["query"].to_pylist(), grades.values(), strict=True) if of]
    return [text for text, _ in kept], [of for _, of in kept]


def ndcg(
    doc_ids: pa.ChunkedArray, terms: pa.ListArray, analyzer: Analyzer, queries: list[str], gains: list[dict[str, float]]
) -> np.ndarray:
    """(queries,) NDCG@10 with gains 2**grade - 1, of the first ten by BM25."""
    expressions = [Or(tuple(operands(analyzer, "text", query))) for query in queries]
    with tempfile.TemporaryDirectory() as folder, Collection.create(Path(folder) / "c", {}) as collection:
        collection.upsert(pa.table({"doc_id": doc_ids, "terms": terms}))
        collection.flush()
        results = collection.search_many(expressions, limit=FIRST, order_by="bm25")
        return ndcg_of([result.ids for result in results], gains)


def ndcg_of(found: list[list[str]], gains: list[dict[str, float]]) -> np.ndarray:
    """(queries,) NDCG@10 of the first ten of each query."""
    discounts = 1 / np.log2(np.arange(2, FIRST + 2))
    values = []
    for ids, of in zip(found, gains, strict=True):
        gained = np.array([2 ** of.get(doc_id, 0.0) - 1 for doc_id in ids])
        best = np.sort([2**grade - 1 for grade in of.values()])[::-1][:FIRST]
        values.append(float(gained @ discounts[: len(gained)]) / float(best @ discounts[: len(best)]))
    return np.array(values)


if __name__ == "__main__":
    main()
