"""Misspelt words as searches: python prepare.py SOURCE OUT (see README.md beside it).

SOURCE holds codespell.parquet (codespell's dictionary).
  documents    every word that is a correction of some misspelling
  impressions  a misspelling is a search; it wants its corrections, mostly one
CONSTRUCTED are the times and the split: words are held out with all their misspellings, 10 % valid and 10 % test, so
that no word of the test split was ever asked for in training.
"""

import argparse
import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

TIME = datetime.datetime(2026, 1, 1)


def documents(pairs: pa.Table) -> pa.Table:
    words = sorted({word for row in pairs["corrections"].to_pylist() for word in row})
    return pa.table({"doc_id": words, "word": words})


def split_of(word: str) -> str:
    percent = xxhash.xxh3_64_intdigest(word.encode()) % 100
    return "test" if percent < 10 else "valid" if percent < 20 else "train"


def searches(pairs: pa.Table) -> pa.Table:
    """Impressions, a row for each correction. The split is that of the first correction."""
    rows = [
        {
            "search_id": f"m{number:05d}",
            "time": TIME + datetime.timedelta(minutes=number),
            "query": row["misspelling"],
            "doc_id": word,
            "fold": split_of(row["corrections"][0]),
        }
        for number, row in enumerate(pairs.to_pylist())
        for word in dict.fromkeys(row["corrections"])
    ]
    types = {"time": pa.timestamp("us")}
    return pa.Table.from_pylist(rows, pa.schema([(name, types.get(name, pa.string())) for name in rows[0]]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of codespell.parquet")
    parser.add_argument("out", type=Path, help="log folder to write")
    options = parser.parse_args()
    if not (options.source / "codespell.parquet").is_file():
        parser.error(f"no codespell.parquet in {options.source}")
    pairs = pq.read_table(options.source / "codespell.parquet")
    options.out.mkdir(parents=True, exist_ok=True)
    for name, table in {"documents": documents(pairs), "impressions": searches(pairs)}.items():
        pq.write_table(table, options.out / f"{name}.parquet")
        print(f"{name}: {len(table):,} rows")


if __name__ == "__main__":
    main()
