"""A tiny log folder that keeps every promise; tests break one promise at a time."""

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from yaml_text import parse_yaml

from alicorn.vertical import Vertical

START = datetime.datetime(2026, 1, 1)
TIME = pa.timestamp("us")


def at(seconds: float) -> datetime.datetime:
    return START + datetime.timedelta(seconds=seconds)


def vertical(split: str = "{valid: 0.25, test: 0.25}", city: str = "city: {kind: id, column: city}") -> Vertical:
    return parse_yaml(
        f"""
name: people
embedding: people
document:
  features:
    name: {{kind: text, column: name}}
    social: {{kind: dense, column: social, dim: 2}}
  terms: [{{prefix: text, column: name, kind: words}}]
  stored: [name]
request:
  features:
    text: {{kind: text, column: query}}
    {city}
split: {split}
failed_search_window_s: 100
""",
        Vertical,
        where="vertical.yaml",
    )


IMPRESSIONS = pa.schema(
    {
        "search_id": pa.string(),
        "searcher_id": pa.string(),
        "time": TIME,
        "query": pa.string(),
        "doc_id": pa.string(),
        "position": pa.int32(),
        "clicked": pa.bool_(),
    }
)
ACTIVITY = pa.schema({"searcher_id": pa.string(), "time": TIME, "doc_id": pa.string(), "kind": pa.string()})


def impressions(*rows: tuple) -> pa.Table:
    """Rows (search_id, searcher_id, seconds, doc_id, position, clicked); the query is `q <search_id>`."""
    columns = [(s, who, at(t), f"q {s}", doc, position, clicked) for s, who, t, doc, position, clicked in rows]
    return pa.Table.from_pylist([dict(zip(IMPRESSIONS.names, row, strict=True)) for row in columns], IMPRESSIONS)


def activity(*rows: tuple) -> pa.Table:
    """Rows (searcher_id, seconds, doc_id)."""
    return pa.Table.from_pylist(
        [{"searcher_id": who, "time": at(t), "doc_id": doc, "kind": "visited"} for who, t, doc in rows], ACTIVITY
    )


def documents(ids: str = "abcd") -> pa.Table:
    social = pa.array([[0.5, 1.0]] * len(ids), pa.list_(pa.float32()))
    return pa.table({"doc_id": list(ids), "name": [f"Person {i}" for i in ids], "social": social})


def good_tables() -> dict[str, pa.Table]:
    """Four searches, one per quarter of the time; s2 failed and its searcher reached c another way."""
    return {
        "documents": documents(),
        "searchers": pa.table({"searcher_id": ["u", "v"], "city": ["Rome", None]}),
        "impressions": impressions(
            ("s1", "u", 0, "a", 1, True),
            ("s1", "u", 0, "b", 2, False),
            ("s2", "v", 100, "b", 1, False),
            ("s3", None, 200, "c", 1, True),
            ("s4", "u", 300, None, None, False),
        ),
        "activity": activity(("v", 150, "c"), ("u", 350, "d")),
        "segments": pa.table({"search_id": ["s3", "s4"], "segment": [["exact"], []]}),
    }


def write_logs(folder: Path, tables: dict[str, pa.Table]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder
