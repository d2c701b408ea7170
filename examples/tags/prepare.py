"""Tags as searches: python prepare.py SOURCE OUT [--queries MSRD] (see README.md beside it).

SOURCE holds ratings.parquet, movies.parquet, links.parquet and tags.parquet of ml-latest-small.
  documents    as in examples/movielens, with `tags`: what people called a movie before VALID_FROM, and not later
  activity     every rating, at its own time
  impressions  a tag that a user gave is his search, at the time he first gave it; he wants the movies that he gave it
"""

import argparse
import datetime
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1] / "movielens"))
import prepare as movielens

VALID_FROM = datetime.datetime(2016, 1, 1)  # the same as in vertical.yaml
NO_SEARCH = ("in netflix queue",)  # a list of one's own, 131 movies long


def given(tags: pa.Table) -> pa.Table:
    """searcher_id, time, doc_id, tag in small letters, in the order of time."""
    table = pa.table(
        {
            "searcher_id": tags["userId"].cast(pa.string()),
            "time": pc.multiply(tags["timestamp"].cast(pa.int64()), 1_000_000).cast(pa.timestamp("us")),
            "doc_id": tags["movieId"].cast(pa.string()),
            "tag": pc.utf8_trim_whitespace(pc.utf8_lower(tags["tag"])),
        }
    )
    wanted = table.filter(pc.invert(pc.is_in(table["tag"], pa.array(NO_SEARCH))))
    return wanted.sort_by([("time", "ascending"), ("searcher_id", "ascending"), ("doc_id", "ascending")])


def with_tags(documents: pa.Table, tags: pa.Table) -> pa.Table:
    """The documents with the tags that they had before VALID_FROM, as often as they were given."""
    early = tags.filter(pc.less(tags["time"], pa.scalar(VALID_FROM, pa.timestamp("us"))))
    found: dict[str, list[str]] = {}
    for row in early.to_pylist():
        found.setdefault(row["doc_id"], []).append(row["tag"])
    column = [found.get(doc_id, []) for doc_id in documents["doc_id"].to_pylist()]
    return documents.append_column("tags", pa.array(column, pa.list_(pa.string())))


def searches(tags: pa.Table) -> pa.Table:
    """Impressions: one search for each user and tag. A movie that was given the tag later is wanted as well."""
    numbers: dict[tuple[str, str], int] = {}
    asked: dict[int, datetime.datetime] = {}
    shown: dict[int, int] = {}
    rows = []
    for row in tags.to_pylist():
        number = numbers.setdefault((row["searcher_id"], row["tag"]), len(numbers))
        shown[number] = shown.get(number, 0) + 1
        rows.append(
            {
                "search_id": f"t{number:05d}",
                "searcher_id": row["searcher_id"],
                "time": asked.setdefault(number, row["time"]),
                "query": row["tag"],
                "doc_id": row["doc_id"],
                "position": shown[number],
                "clicked": True,
            }
        )
    types = {"time": pa.timestamp("us"), "position": pa.int32(), "clicked": pa.bool_()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in rows[0]])
    return pa.Table.from_pylist(rows, schema)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of ratings, movies, links and tags as Parquet")
    parser.add_argument("out", type=Path, help="log folder to write")
    parser.add_argument("--queries", type=Path, help="folder of corpus.parquet of MSRD: stories, people, votes")
    options = parser.parse_args()
    names = ("ratings", "movies", "links", "tags")
    ratings, movies, links, tags = movielens.read(options.source, names, parser)
    corpus = movielens.read(options.queries, ("corpus",), parser)[0] if options.queries else None
    ordered = given(tags)
    tables = {
        "documents": with_tags(movielens.documents(movies, links, corpus), ordered),
        "activity": movielens.activity(movielens.in_time(ratings)),
        "impressions": searches(ordered),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        pq.write_table(table, options.out / f"{name}.parquet")
        print(f"{name}: {len(table):,} rows")


if __name__ == "__main__":
    main()
