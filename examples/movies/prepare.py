"""The Movie Search Ranking Dataset as alicorn's log tables: python prepare.py SOURCE OUT (see README.md beside it).

SOURCE holds corpus.parquet, queries.parquet and qrels.parquet. What the set has is kept under its own column names:
  documents    the corpus; year 0 (unknown) becomes null
  impressions  every judged document of a query, label 1 as a click; position is its place in the set's pool, which
               was shown in random order, so it carries no position bias; searcher_id is null: no searchers are known
  segments     labels for reports: "person" (the query has the full name of an actor or director of the corpus),
               "year" (it has a year), "other"
Derived: release_year, the year as a string, so that "power rangers 1994" can match it as text; log_votes, log10 of one
more than the votes, a static rank that does not drown other scores.
What it does not have is CONSTRUCTED: the set has no times. They are made so that the split by time of vertical.yaml is
this: the set's valid queries are `test`; its train queries about 12 % of the movies are held out as `valid`, to choose
a recipe on. A query goes with its relevant movie that most queries want, as in the set's own split.
"""

import argparse
import datetime
import re
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from alicorn.text import words

STARTS = {  # the same as in vertical.yaml
    "train": datetime.datetime(2023, 1, 1),
    "valid": datetime.datetime(2024, 1, 1),
    "test": datetime.datetime(2025, 1, 1),
}
VALID_PERCENT = 12  # of the movies that train queries go with
_YEAR = re.compile(r"(?:19|20)\d\d")


def documents(corpus: pa.Table) -> pa.Table:
    """The corpus, release_year and log_votes; an unknown year is null, so that no range of years matches it."""
    year = corpus["year"]
    known = pc.if_else(pc.equal(year, 0), pa.scalar(None, year.type), year)
    corpus = corpus.set_column(corpus.column_names.index("year"), "year", known)
    corpus = corpus.append_column("log_votes", pc.log10(pc.add(corpus["votes"].cast(pa.float32()), 1)))
    return corpus.append_column("release_year", known.cast(pa.string()))


def impressions(queries: pa.Table, qrels: pa.Table) -> pa.Table:
    """One row per judgement, in the order of the pool of each query."""
    times = _times(queries, qrels)
    text = dict(zip(queries["query_id"].to_pylist(), queries["query"].to_pylist(), strict=True))
    search_ids, positions = qrels["query_id"].to_pylist(), []
    shown: dict[str, int] = {}
    for search_id in search_ids:
        shown[search_id] = shown.get(search_id, 0) + 1
        positions.append(shown[search_id])
    return pa.table(
        {
            "search_id": pa.array(search_ids, pa.string()),
            "searcher_id": pa.nulls(len(search_ids), pa.string()),
            "time": pa.array([times[search_id] for search_id in search_ids], pa.timestamp("us")),
            "query": pa.array([text[search_id] for search_id in search_ids], pa.string()),
            "doc_id": qrels["doc_id"],
            "position": pa.array(positions, pa.int32()),
            "clicked": pc.greater(qrels["grade"], 0),
        }
    )


def segments(queries: pa.Table, corpus: pa.Table) -> pa.Table:
    """What kind of query it is, for reports."""
    people = {*corpus["director"].to_pylist(), *pc.list_flatten(corpus["actors"]).to_pylist()}
    names = {" ".join(words(name)) for name in people if len(words(name)) > 1}
    labels = [_labels(words(query), names) for query in queries["query"].to_pylist()]
    return pa.table({"search_id": queries["query_id"], "segment": pa.array(labels, pa.list_(pa.string()))})


def _labels(query: list[str], names: set[str]) -> list[str]:
    runs = (" ".join(query[i:j]) for i in range(len(query)) for j in range(i + 2, len(query) + 1))
    labels = ["person"] if any(run in names for run in runs) else []
    labels += ["year"] if any(_YEAR.fullmatch(word) for word in query) else []
    return labels or ["other"]


def splits(queries: pa.Table, qrels: pa.Table) -> list[str]:
    """The split of each query: see the first lines of this file."""
    wanted = qrels.filter(pc.greater(qrels["grade"], 0)).select(["query_id", "doc_id"]).to_pylist()
    popularity = Counter(row["doc_id"] for row in wanted)
    movies: dict[str, tuple[int, str]] = {}
    for row in wanted:
        movie = popularity[row["doc_id"]], row["doc_id"]
        movies[row["query_id"]] = max(movie, movies.get(row["query_id"], movie))
    found = []
    for query, split in zip(queries["query_id"].to_pylist(), queries["split"].to_pylist(), strict=True):
        movie = movies.get(query, (0, ""))[1]
        held_out = xxhash.xxh3_64_intdigest(movie.encode()) % 100 < VALID_PERCENT
        found.append("test" if split == "valid" else "valid" if held_out else "train")
    return found


def _times(queries: pa.Table, qrels: pa.Table) -> dict[str, datetime.datetime]:
    """query_id -> constructed time: a minute after the other from the start of the query's split."""
    minutes = dict.fromkeys(STARTS, 0)
    times = {}
    for query, split in zip(queries["query_id"].to_pylist(), splits(queries, qrels), strict=True):
        times[query] = STARTS[split] + datetime.timedelta(minutes=minutes[split])
        minutes[split] += 1
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of corpus.parquet, queries.parquet, qrels.parquet")
    parser.add_argument("out", type=Path, help="log folder to write")
    options = parser.parse_args()
    missing = [name for name in ("corpus", "queries", "qrels") if not (options.source / f"{name}.parquet").is_file()]
    if missing:
        parser.error(f"no {', '.join(f'{name}.parquet' for name in missing)} in {options.source}")
    corpus, queries, qrels = (
        pq.read_table(options.source / f"{name}.parquet") for name in ("corpus", "queries", "qrels")
    )
    options.out.mkdir(parents=True, exist_ok=True)
    tables = {
        "documents": documents(corpus),
        "impressions": impressions(queries, qrels),
        "segments": segments(queries, corpus),
    }
    for name, table in tables.items():
        pq.write_table(table, options.out / f"{name}.parquet")
        print(f"{name}: {len(table):,} rows")


if __name__ == "__main__":
    main()
