"""Eight logs of different kinds, each small enough to learn from in seconds: what default settings are chosen on.

| log | documents | what is asked, and what training has not seen |
|---|---|---|
| people | the people world (simulated) | names, by searchers with places and friends |
| shop | the shop world (simulated) | products by keywords, by searchers with a past |
| movies | msrd, all its fields | judged queries; the movies of the other splits are held out |
| places | places-geonames, many names each | spellings; the cities of the other splits are held out |
| movielens | MovieLens | tags that users gave movies, asked by the user, who liked other movies before |
| small | people-us-congress | 3,000 searches for 537 people by names, nicknames and states (constructed) |
| cold | the shop world (simulated), no searcher | products that training has not seen |
| long | msrd, one text of story, people and tags | judged queries, held out by the query |

`prepared(name, data, out)` gives the pairs/ folder and the vertical, made once. Every log has all three splits.
"""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
import yaml

from alicorn.config import plain_yaml
from alicorn.logs import mine
from alicorn.text import words
from alicorn.vertical import Vertical
from alicorn.worlds.people import world as people
from alicorn.worlds.shop import world as shop

EXAMPLES = Path(__file__).parents[2] / "examples"
_SPLIT = {"by": "column", "column": "fold", "valid": ["valid"], "test": ["test"]}
Tables = dict[str, pa.Table]


def prepared(name: str, data: Path, out: Path) -> tuple[Path, Vertical]:
    """The mined pairs/ of a log below `out`, and its vertical. data: the folder of the public sets."""
    folder = out / name
    if not (folder / "pairs" / "manifest.json").exists():
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        vertical, tables = LOGS[name](data, folder)
        (folder / "vertical.yaml").write_text(yaml.safe_dump(vertical, sort_keys=False), encoding="utf-8")
        for table, rows in tables.items():
            pq.write_table(rows, folder / "logs" / f"{table}.parquet")
        mine(folder / "logs", Vertical.load(folder / "vertical.yaml"), folder / "pairs", overwrite=True)
    return folder / "pairs", Vertical.load(folder / "vertical.yaml")


def _people(data: Path, folder: Path) -> tuple[dict[str, Any], Tables]:
    made = people.PeopleWorld.generate(4000, seed=1)
    documents = made.documents()
    made.write_logs(folder / "logs", 20_000, word_engine(documents, "name"))
    return plain_yaml(people.VERTICAL.read_text(), where="people"), {}


def _shop(data: Path, folder: Path) -> tuple[dict[str, Any], Tables]:
    made = shop.ShopWorld.generate((3000, 1000), seed=1)
    made.write_logs(folder / "logs", 12_000, word_engine(made.documents(), "title"))
    return plain_yaml(shop.VERTICAL.read_text(), where="shop"), {}


def _cold(data: Path, folder: Path) -> tuple[dict[str, Any], Tables]:
    made = shop.ShopWorld.generate((6000, 1000), seed=2)
    counts = folder / "world"
    made.write_logs(counts, 12_000, word_engine(made.documents(), "title"))
    shown = pq.read_table(counts / "impressions.parquet")
    documents = pq.read_table(counts / "documents.parquet")
    vertical = {
        "name": "cold",
        "embedding": "cold",
        "document": {
            "features": {name: _text(name) for name in ("title", "description")}
            | {name: {"kind": "id", "column": name} for name in ("department", "category", "brand")},
            "terms": [{"prefix": "text", "column": "title", "kind": "words"}],
        },
        "request": {"features": {"text": _text("query")}},
        "split": _SPLIT,
        "expressions": {"boolean": "(and {terms})"},
    }
    clicks = shown.filter(shown["clicked"])
    return vertical, {"documents": documents, "impressions": _one_by_one(clicks["query"], clicks["doc_id"])}


def _movies(data: Path, folder: Path) -> tuple[dict[str, Any], Tables]:
    vertical, tables = _example("movies", data / "msrd", folder)
    return vertical, tables | {"impressions": _some(tables["impressions"], 3000)}


def _places(data: Path, folder: Path) -> tuple[dict[str, Any], Tables]:
    vertical, tables = _example("places", data / "places-geonames", folder)
    impressions = _some(tables["impressions"], 8000)
    asked = pc.is_in(tables["documents"]["doc_id"], pc.unique(impressions["doc_id"]))
    others = np.random.default_rng(0).random(len(asked)) < 0.2
    kept = pc.or_(asked, pa.array(others))
    return vertical, tables | {"documents": tables["documents"].filter(kept), "impressions": impressions}


def _long(data: Path, folder: Path) -> tuple[dict[str, Any], Tables]:
    _, tables = _example("movies", data / "msrd", folder)
    rows = tables["documents"].select(["overview", "tags", "actors", "characters"]).to_pylist()
    bodies = [" . ".join([row["overview"] or "", *row["tags"], *row["actors"], *row["characters"]]) for row in rows]
    documents = pa.table({"doc_id": tables["documents"]["doc_id"], "body": bodies})
    clicked = tables["impressions"].filter(tables["impressions"]["clicked"])
    impressions = _some(clicked, 3000)
    folds = [_fold(query) for query in impressions["query"].to_pylist()]
    impressions = impressions.append_column("fold", pa.array(folds))
    return _text_vertical("long", {"body": _text("body")}), {"documents": documents, "impressions": impressions}


def _movielens(data: Path, folder: Path) -> tuple[dict[str, Any], Tables]:
    """A tag is a search of its user for the movie; what he liked at any other time is his activity."""
    source = data / "ml-latest-small"
    tags, movies, ratings = (pq.read_table(source / f"{name}.parquet") for name in ("tags", "movies", "ratings"))
    documents = pa.table(
        {
            "doc_id": movies["movieId"].cast(pa.string()),
            "title": movies["title"],
            "genres": [row.split("|") for row in movies["genres"].to_pylist()],
        }
    )
    liked = ratings.filter(pc.greater_equal(ratings["rating"], 4.0)).sort_by("timestamp")
    of_user: dict[int, list[str]] = defaultdict(list)
    for user, movie in zip(liked["userId"].to_pylist(), liked["movieId"].to_pylist(), strict=True):
        of_user[user].append(str(movie))
    users = sorted(set(tags["userId"].to_pylist()))
    ids = [str(user) for user in users]
    searchers = pa.table({"searcher_id": ids, "user": ids, "liked": [of_user[user][-100:] for user in users]})
    impressions = _one_by_one(tags["tag"], tags["movieId"].cast(pa.string()))
    folds = [_fold(f"{row['tag']} {row['movieId']}") for row in tags.to_pylist()]
    impressions = impressions.set_column(impressions.column_names.index("fold"), "fold", pa.array(folds))
    who = impressions.column_names.index("searcher_id")
    impressions = impressions.set_column(who, "searcher_id", tags["userId"].cast(pa.string()))
    features = {
        "item": {"kind": "id", "column": "doc_id"},
        "title": _text("title"),
        "genres": {"kind": "ids", "column": "genres"},
    }
    vertical = _text_vertical("movielens", features)
    vertical["request"]["features"] |= {
        "user": {"kind": "id", "column": "user"},
        "liked": {"kind": "ids", "column": "liked"},
    }
    return vertical, {"documents": documents, "searchers": searchers, "impressions": impressions}


def _small(data: Path, folder: Path) -> tuple[dict[str, Any], Tables]:
    source = data / "people-us-congress"
    rows = pq.read_table(source / "people.parquet").to_pylist()
    nicknames = defaultdict(list)
    for row in pq.read_table(source / "nicknames.parquet").to_pylist():
        nicknames[row["name1"]].append(row["name2"])
    rng = np.random.default_rng(0)
    weights = rng.pareto(1.5, len(rows)) + 0.1
    queries, ids = [], []
    for number in rng.choice(len(rows), 3000, p=weights / weights.sum()):
        row = rows[number]
        first = str(rng.choice([row["first"], *nicknames[row["first"].lower()]]))
        forms = [
            f"{first} {row['last']}",
            row["last"],
            f"{row['last']} {row['state']}",
            f"{row['party']} {row['state']}",
        ]
        queries.append(_misspelled(str(rng.choice(forms, p=[0.5, 0.2, 0.2, 0.1])), rng))
        ids.append(row["doc_id"])
    documents = pa.table(
        {
            "doc_id": [row["doc_id"] for row in rows],
            "name": [row["official_full"] for row in rows],
            "state": [row["state"] for row in rows],
            "party": [row["party"] for row in rows],
        }
    )
    features = {name: _text(name) for name in ("name", "state", "party")}
    impressions = _one_by_one(pa.chunked_array([queries]), pa.chunked_array([ids]))
    folds = np.random.default_rng(1).choice(["train", "valid", "test"], len(ids), p=[0.6, 0.2, 0.2])
    impressions = impressions.set_column(impressions.column_names.index("fold"), "fold", pa.array(folds.tolist()))
    return _text_vertical("small", features), {"documents": documents, "impressions": impressions}


LOGS: dict[str, Callable[[Path, Path], tuple[dict[str, Any], Tables]]] = {
    "people": _people,
    "shop": _shop,
    "movies": _movies,
    "places": _places,
    "movielens": _movielens,
    "small": _small,
    "cold": _cold,
    "long": _long,
}


def word_engine(documents: pa.Table, column: str) -> Callable[[list[str]], list[list[str]]]:
    """A production engine: the ten most popular documents whose text has every word of the query."""
    ids, popularity = documents["doc_id"].to_pylist(), documents["popularity"].to_numpy()
    postings: dict[str, set[int]] = defaultdict(set)
    for number, text in enumerate(documents[column].to_pylist()):
        for word in words(text):
            postings[word].add(number)

    def search(queries: list[str]) -> list[list[str]]:
        pages = []
        for query in queries:
            lists = [postings.get(word, set()) for word in words(query)]
            found = set.intersection(*lists) if lists else set()
            pages.append([ids[number] for number in sorted(found, key=lambda n: (-popularity[n], ids[n]))[:10]])
        return pages

    return search


def _example(name: str, source: Path, folder: Path) -> tuple[dict[str, Any], Tables]:
    """The vertical and the log of an example, as its prepare.py makes it, without segments."""
    made = folder / "example"
    subprocess.run([sys.executable, str(EXAMPLES / name / "prepare.py"), str(source), str(made)], check=True)
    tables = {path.stem: pq.read_table(path) for path in made.glob("*.parquet") if path.stem != "segments"}
    return plain_yaml((EXAMPLES / name / "vertical.yaml").read_text(), where=name), tables


def _some(impressions: pa.Table, searches: int) -> pa.Table:
    """The rows of so many searches, drawn at random."""
    sessions = pc.unique(impressions["search_id"])
    chosen = np.random.default_rng(0).permutation(len(sessions))[:searches]
    return impressions.filter(pc.is_in(impressions["search_id"], sessions.take(pa.array(chosen))))


def _one_by_one(queries: pa.ChunkedArray, doc_ids: pa.ChunkedArray) -> pa.Table:
    """Every click as a search of its own; the fold goes by the document."""
    count = len(doc_ids)
    return pa.table(
        {
            "search_id": [f"s{number:06d}" for number in range(count)],
            "searcher_id": pa.nulls(count, pa.string()),
            "time": pa.array(np.arange(count) * 60_000_000, pa.timestamp("us")),
            "query": queries,
            "doc_id": doc_ids,
            "position": np.ones(count, dtype=np.int32),
            "clicked": np.ones(count, dtype=bool),
            "fold": [_fold(doc_id) for doc_id in doc_ids.to_pylist()],
        }
    )


def _fold(key: str) -> str:
    number = xxhash.xxh3_64_intdigest(key.encode()) % 100
    return "test" if number < 20 else "valid" if number < 40 else "train"


def _misspelled(text: str, rng: np.random.Generator) -> str:
    """Every fifth query lacks one letter."""
    at = int(rng.integers(len(text)))
    return text if rng.random() > 0.2 else text[:at] + text[at + 1 :]


def _text(column: str) -> dict[str, Any]:
    return {"kind": "text", "column": column}


def _text_vertical(name: str, features: dict[str, Any]) -> dict[str, Any]:
    """Documents of these features, of whose texts a query is asked."""
    texts = [feature["column"] for feature in features.values() if feature["kind"] == "text"]
    return {
        "name": name,
        "embedding": name,
        "document": {
            "features": features,
            "terms": [{"prefix": "text", "column": column, "kind": "words"} for column in texts],
        },
        "request": {"features": {"text": _text("query")}},
        "split": _SPLIT,
        "expressions": {"boolean": "(and {terms})"},
    }
