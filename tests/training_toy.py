"""A small pairs/ folder in which names repeat across cities, so that only text and city together find the document."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pairs_toy import write_folder

from alicorn.training import Recipe
from alicorn.vertical import Vertical
from alicorn.vertical.failed_searches import FACTS
from alicorn.vertical.parts import of_examples

VERTICAL = Vertical.model_validate(
    {
        "name": "toy",
        "embedding": "toy",
        "document": {
            "features": {
                "name": {"kind": "text", "column": "name"},
                "city": {"kind": "id", "column": "city"},
                "age": {"kind": "numeric", "column": "age"},
            },
            "terms": [{"prefix": "text", "column": "name", "kind": "words"}],
        },
        "request": {
            "features": {
                "text": {"kind": "text", "column": "query"},
                "city": {"kind": "id", "column": "city"},
                "age": {"kind": "numeric", "column": "age"},
            }
        },
        "split": {"valid": 0.1},
    }
)
FIRST = ["ada", "alan", "grace", "barbara", "donald", "edsger", "john", "margaret", "niklaus", "frances"]
LAST = ["lovelace", "turing", "hopper", "liskov", "knuth", "dijkstra", "backus", "hamilton", "wirth", "allen"]
CITIES = ["rome", "oslo", "lima"]
NUM_DOCUMENTS = len(FIRST) * len(LAST) * len(CITIES)


def write_pairs(folder: Path, num_pairs: int = 1500, num_valid: int = 100, seed: int = 0) -> Path:
    """A searcher of a city types a name, or its last word misspelled, and wants the person of that name and city."""
    rng = np.random.default_rng(seed)
    names = [f"{first} {last}" for first in FIRST for last in LAST]
    documents = pa.table(
        {
            "doc_id": [f"d{i}" for i in range(NUM_DOCUMENTS)],
            "name": [names[i % 100] for i in range(NUM_DOCUMENTS)],
            "city": [CITIES[i // 100] for i in range(NUM_DOCUMENTS)],
            "age": pa.array([None if i % 7 == 0 else 20 + i % 50 for i in range(NUM_DOCUMENTS)], pa.int64()),
        }
    )
    searchers = pa.table(
        {
            "searcher_id": [f"s{i}" for i in range(30)],
            "city": [CITIES[i % 3] if i < 27 else None for i in range(30)],
            "age": pa.array([float(i) for i in range(30)]),
        }
    )
    wanted = rng.integers(0, NUM_DOCUMENTS, num_pairs + num_valid)
    searcher = wanted // 100 + 3 * rng.integers(0, 9, len(wanted))
    query = [_typed(names[number % 100], rng) for number in wanted]
    pairs = pa.table(
        {
            "search_id": [f"q{i}" for i in range(len(wanted))],
            "searcher_id": [f"s{i}" if rng.random() < 0.95 else None for i in searcher],
            "time": pa.array(np.arange(len(wanted)), pa.timestamp("us")),
            "query": query,
            "doc_id": [f"d{i}" for i in wanted],
            "source": ["hard" if rng.random() < 0.2 else "click" for _ in wanted],
            "split": ["train"] * num_pairs + ["valid"] * num_valid,
        }
    )
    pairs = _with_facts(pairs)
    shown = pairs.drop_columns(list(FACTS)).set_column(5, "source", pa.array(["impression"] * len(pairs)))
    held_out = pairs.slice(num_pairs)
    targets = pa.array([[doc_id] for doc_id in held_out["doc_id"].to_pylist()], pa.list_(pa.string()))
    searches = held_out.drop_columns(["doc_id", "source", *FACTS]).append_column("targets", targets)
    tables = {
        "documents": documents,
        "searchers": searchers,
        "pairs": pairs,
        "impressions": shown,
        "searches": searches,
    }
    return write_folder(folder, tables, of_examples(VERTICAL), f"toy-{seed}")


def _with_facts(pairs: pa.Table) -> pa.Table:
    """What was reached after a failed search came first, after a minute, and is like the query."""
    hard = np.array(pairs["source"].to_pylist()) == "hard"
    facts = dict(zip(FACTS, (60.0, 1, 0, 1.0), strict=True))
    columns = {name: pa.array([facts[name] if one else None for one in hard], kind) for name, kind in FACTS.items()}
    return pa.table({**{name: pairs[name] for name in pairs.column_names}, **columns})


def recipe(**changes: Any) -> Recipe:
    """Small and quick: a second or less for four epochs; nothing is mixed."""
    plain = {
        "towers": {"dim": 16, "hidden": 8, "tables": {"text": {"buckets": 2000, "dim": 16}}},
        "negatives": {"random": 32},
        "optimizer": {"rate": 0.002, "table_rate": 0.05},
        "batch": 128,
        "epochs": 4,
        "patience": 4,
        "channel_balance": "equal",
        "validation": {"interpolate": []},
    }
    return Recipe.model_validate({**plain, **changes})


def _typed(name: str, rng: np.random.Generator) -> str:
    if rng.random() < 0.8:
        return name
    at = int(rng.integers(1, len(name)))
    return name[:at] + name[at + 1 :]
