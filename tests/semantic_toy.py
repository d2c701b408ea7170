"""A small shop with behaviour at three time scales, and towers of MGDSPR over it. Shared by the tests of towers."""

from typing import Any

import pyarrow as pa

from alicorn.towers import Model
from alicorn.training import Recipe
from alicorn.vertical import Vertical

PARTS = {"item": "_item", "kind": "_kind", "brand": "_brand"}
SHOP = Vertical.model_validate(
    {
        "name": "shop",
        "embedding": "shop",
        "document": {
            "features": {
                "title": {"kind": "text", "column": "title"},
                "item": {"kind": "id", "column": "doc_id"},
                "brand": {"kind": "id", "column": "brand"},
            },
            "terms": [{"prefix": "text", "column": "title", "kind": "words"}],
        },
        "request": {
            "features": {
                "text": {"kind": "text", "column": "query"},
                "city": {"kind": "id", "column": "city"},
                "past": {"kind": "text", "column": "past_queries"},
                **{
                    window: {
                        "kind": "sequence",
                        "parts": {part: window + end for part, end in PARTS.items()},
                        "last": 5,
                    }
                    for window in ("realtime", "short", "long")
                },
            }
        },
        "split": {"valid": 0.1},
    }
)
SEMANTIC = {
    "kind": "semantic",
    "past_queries": "past",
    "realtime": "realtime",
    "short": "short",
    "long": "long",
    "kinds": ["click", "bought"],
    "heads": 2,
}
TABLES = {
    "text": {"buckets": 5000, "dim": 12},
    "item": {"buckets": 100, "dim": 6},
    "brand": {"buckets": 50, "dim": 4},
    "kind": {"buckets": 50, "dim": 2},
    "city": {"buckets": 50, "dim": 4},
}


def shop_model(fusion: dict[str, Any] | None = None, seed: int = 0, **towers: Any) -> Model:
    """fusion: keys beside those of SEMANTIC."""
    given = {"dim": 16, "tables": TABLES, "fusion": {**SEMANTIC, **(fusion or {})}, **towers}
    return Model.new(SHOP, Recipe.model_validate({"towers": given}).plain(), "data", {}, seed)


def products() -> pa.Table:
    return pa.table(
        {
            "doc_id": ["d1", "d2", "d3"],
            "title": ["red running shoes", "blue dress", None],
            "brand": ["acme", "zeta", None],
        }
    )


def shoppers() -> pa.Table:
    """The second has done nothing, and of the third nothing is known at all."""
    strings = pa.list_(pa.string())
    events = {
        "_item": [["d1", "d2"], [], None],
        "_kind": [["click", "bought"], [], None],
        "_brand": [["acme", "zeta"], [], None],
    }
    return pa.table(
        {
            "query": ["red shoes", "dress", None],
            "city": ["Rome", None, None],
            "past_queries": pa.array([["blue dress", "shoes"], [], None], strings),
            **{
                window + end: pa.array(values, strings)
                for window in ("realtime", "short", "long")
                for end, values in events.items()
            },
        }
    )
