"""A vertical with every kind of feature on both sides, and rows for it. Shared by the tests of towers."""

from typing import Any

import pyarrow as pa

from alicorn.towers import Model
from alicorn.training import Recipe
from alicorn.vertical import Vertical

VERTICAL = Vertical.model_validate(
    {
        "name": "toy",
        "embedding": "toy",
        "document": {
            "features": {
                "name": {"kind": "text", "column": "name"},
                "place": {"kind": "id", "column": "place"},
                "clusters": {"kind": "ids", "column": "clusters", "weights": "shares"},
                "social.v1": {"kind": "dense", "column": "social", "dim": 3},
                "age": {"kind": "numeric", "column": "age"},
            },
            "terms": [{"prefix": "text", "column": "name", "kind": "words"}],
        },
        "request": {
            "features": {
                "text": {"kind": "text", "column": "query"},
                "city": {"kind": "id", "column": "city"},
                "social.v1": {"kind": "dense", "column": "social", "dim": 3},
            }
        },
        "split": {"valid": 0.1},
    }
)
SMALL = {
    "tables": {"text": {"buckets": 500, "dim": 8}, "place": {"buckets": 20, "dim": 4, "features": ["request.city"]}}
}


def toy_model(towers: dict[str, Any] | None = None, seed: int = 0, **recipe: Any) -> Model:
    plain = Recipe.model_validate({"towers": {"dim": 8, "hidden": 6, **SMALL, **(towers or {})}, **recipe}).plain()
    return Model.new(VERTICAL, plain, "data", {}, seed)


def documents() -> pa.Table:
    return pa.table(
        {
            "name": ["Ada Lovelace", "Alan Turing", None, ""],
            "place": ["London", "Manchester", None, "Paris"],
            "clusters": [["a", "b"], ["b"], None, []],
            "shares": [[0.5, 0.5], [1.0], None, []],
            "social": pa.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], None, None], pa.list_(pa.float32())),
            "age": [36, 41, None, None],
        }
    )


def requests() -> pa.Table:
    return pa.table(
        {
            "query": ["ada lovelace", "turing", "", None],
            "city": ["London", None, None, None],
            "social": pa.array([[1.0, 0.0, 0.0], None, None, None], pa.list_(pa.float32())),
        }
    )
