"""MovieLens as alicorn's log tables: python prepare.py SOURCE OUT [--queries MSRD] (see README.md beside it).

SOURCE holds ratings.parquet, movies.parquet and links.parquet of ml-latest-small. What the set has is kept:
  activity     every rating, at its own time: kind `liked` (4 stars or more) or `rated`; the users are its searchers
  documents    its movies: title, year and genres
CONSTRUCTED is the search: every liked movie is one, at the time of its rating, that showed this movie and nothing else.
Its query is empty (what will this user like next?), which leaves everything to behaviour. With --queries, a folder with
corpus.parquet, queries.parquet and qrels.parquet of the Movie Search Ranking Dataset:
  documents    overview, director, actors and votes of the movies that both sets have (links: the same TMDB id)
  impressions  half of the searches for a movie that has judged queries carry one of these: real people judged that it
               means the movie, but this user did not type it
  segments     `next` (no query) or `query`; `known` (the user had rated something before) or `new`
"""

import argparse
import datetime
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

LIKED = 4.0
NONE = "(no genres listed)"
_YEAR = re.compile(r"^(?P<title>.*?)\s*\((?P<year>\d{4})\)\s*$")


def documents(movies: pa.Table, links: pa.Table, corpus: pa.Table | None) -> pa.Table:
    """One row per movie; genre is the first of its genres, which behaviour keeps beside the movie."""
    parsed = [_YEAR.match(title) for title in movies["title"].to_pylist()]
    genres = [[] if row == NONE else row.split("|") for row in movies["genres"].to_pylist()]
    titles = [
        _read(match["title"] if match else title)
        for match, title in zip(parsed, movies["title"].to_pylist(), strict=True)
    ]
    return pa.table(
        {
            "doc_id": movies["movieId"].cast(pa.string()),
            "title": pa.array(titles, pa.string()),
            "release_year": pa.array([match["year"] if match else None for match in parsed], pa.string()),
            "genres": pa.array(genres, pa.list_(pa.string())),
            "genre": pa.array([row[0] if row else None for row in genres], pa.string()),
            **_of_corpus(movies, links, corpus),
        }
    )


def _read(title: str) -> str:
    """`Matrix, The` is The Matrix."""
    name, comma, article = title.rpartition(", ")
    return f"{article} {name}" if comma and article in ("The", "A", "An") else title


def _of_corpus(movies: pa.Table, links: pa.Table, corpus: pa.Table | None) -> dict[str, pa.Array]:
    """Columns of the other set; null where it does not have the movie, as everywhere without it."""
    count = len(movies)
    if corpus is None:
        strings = pa.nulls(count, pa.string())
        people = pa.nulls(count, pa.list_(pa.string()))
        return {"overview": strings, "director": strings, "actors": people, "log_votes": pa.nulls(count, pa.float32())}
    rows = pc.index_in(tmdb_ids(movies["movieId"], links), corpus["doc_id"].combine_chunks())
    known = corpus.take(rows)
    votes = pc.log10(pc.add(known["votes"].cast(pa.float32()), 1))
    return {**{name: known[name] for name in ("overview", "director", "actors")}, "log_votes": votes}


def tmdb_ids(movie_ids: pa.ChunkedArray, links: pa.Table) -> pa.ChunkedArray:
    """The doc_id of the Movie Search Ranking Dataset of each movie, string; null where it has none."""
    rows = pc.index_in(movie_ids, links["movieId"].combine_chunks())
    return links["tmdbId"].take(rows).cast(pa.int64()).cast(pa.string())


def queries_of(links: pa.Table, queries: pa.Table, qrels: pa.Table) -> dict[str, list[str]]:
    """doc_id -> the queries that mean the movie, in the order of the set."""
    ids = dict(zip(tmdb_ids(links["movieId"], links).to_pylist(), links["movieId"].to_pylist(), strict=True))
    text = dict(zip(queries["query_id"].to_pylist(), queries["query"].to_pylist(), strict=True))
    found: dict[str, list[str]] = {}
    for row in qrels.filter(pc.greater(qrels["grade"], 0)).to_pylist():
        if row["doc_id"] in ids:
            found.setdefault(str(ids[row["doc_id"]]), []).append(text[row["query_id"]])
    return found


def in_time(ratings: pa.Table) -> pa.Table:
    """searcher_id, time, doc_id, rating, ordered by time, then user and movie."""
    ordered = ratings.sort_by([("timestamp", "ascending"), ("userId", "ascending"), ("movieId", "ascending")])
    return pa.table(
        {
            "searcher_id": ordered["userId"].cast(pa.string()),
            "time": pc.multiply(ordered["timestamp"].cast(pa.int64()), 1_000_000).cast(pa.timestamp("us")),
            "doc_id": ordered["movieId"].cast(pa.string()),
            "rating": ordered["rating"],
        }
    )


def activity(ordered: pa.Table) -> pa.Table:
    liked = pc.if_else(pc.greater_equal(ordered["rating"], LIKED), "liked", "rated")
    return ordered.drop_columns(["rating"]).append_column("kind", liked)


def searches(ordered: pa.Table, queries: dict[str, list[str]], seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """impressions and segments: one search for every liked rating."""
    rng = np.random.default_rng(seed)
    first: dict[str, datetime.datetime] = {}
    for who, time in zip(ordered["searcher_id"].to_pylist(), ordered["time"].to_pylist(), strict=True):
        first.setdefault(who, time)
    liked = ordered.filter(pc.greater_equal(ordered["rating"], LIKED))
    typed = [_typed(queries.get(movie, ()), rng.random(2)) for movie in liked["doc_id"].to_pylist()]
    search_ids = pa.array([f"s{number:06d}" for number in range(len(liked))])
    known = [
        "known" if first[who] < time else "new"
        for who, time in zip(liked["searcher_id"].to_pylist(), liked["time"].to_pylist(), strict=True)
    ]
    segment = [["query" if query else "next", label] for query, label in zip(typed, known, strict=True)]
    impressions = pa.table(
        {
            "search_id": search_ids,
            "searcher_id": liked["searcher_id"],
            "time": liked["time"],
            "query": pa.array(typed, pa.string()),
            "doc_id": liked["doc_id"],
            "position": pa.array(np.ones(len(liked), dtype=np.int32)),
            "clicked": pa.array(np.ones(len(liked), dtype=bool)),
        }
    )
    return impressions, pa.table({"search_id": search_ids, "segment": pa.array(segment, pa.list_(pa.string()))})


def _typed(queries: Sequence[str], chance: np.ndarray) -> str:
    """One of the queries half of the time."""
    return queries[int(chance[1] * len(queries))] if queries and chance[0] < 0.5 else ""


def read(folder: Path, names: Sequence[str], parser: argparse.ArgumentParser) -> list[pa.Table]:
    missing = [name for name in names if not (folder / f"{name}.parquet").is_file()]
    if missing:
        parser.error(f"no {', '.join(f'{name}.parquet' for name in missing)} in {folder}")
    return [pq.read_table(folder / f"{name}.parquet") for name in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of ratings.parquet, movies.parquet, links.parquet")
    parser.add_argument("out", type=Path, help="log folder to write")
    parser.add_argument("--queries", type=Path, help="folder of corpus.parquet, queries.parquet, qrels.parquet")
    options = parser.parse_args()
    ratings, movies, links = read(options.source, ("ratings", "movies", "links"), parser)
    corpus, typed = None, {}
    if options.queries:
        corpus, queries, qrels = read(options.queries, ("corpus", "queries", "qrels"), parser)
        typed = queries_of(links, queries, qrels)
    ordered = in_time(ratings)
    impressions, segments = searches(ordered, typed)
    tables = {
        "documents": documents(movies, links, corpus),
        "activity": activity(ordered),
        "impressions": impressions,
        "segments": segments,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        pq.write_table(table, options.out / f"{name}.parquet")
        print(f"{name}: {len(table):,} rows")


if __name__ == "__main__":
    main()
