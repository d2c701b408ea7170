"""A stored column or an embedding key that comes when there are segments already answers as one of the start."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from alicorn.query import Collection
from alicorn.query.facets.facet import Facet

DAY = datetime.date(2024, 5, 1)
VALUES: dict[str, tuple[pa.DataType, list[Any], str]] = {
    "int64": (pa.int64(), [3, 1, None, 2], "(range c :min 2)"),
    "double": (pa.float64(), [0.5, None, -1.0, float("nan")], "(range c :max 0.5)"),
    "date": (pa.date32(), [DAY, None, DAY - datetime.timedelta(days=3), DAY], "(range c :min 2024-05-01)"),
    "decimal": (pa.decimal128(9, 2), [Decimal("1.50"), Decimal("0.25"), None, None], "(range c :min 1)"),
    "bool": (pa.bool_(), [True, False, None, True], "(range c :min 1)"),
    "string": (pa.string(), ["b", "", None, "a"], "all:1"),
}
OLD = [f"old{i}" for i in range(5)]
NEW = [f"new{i}" for i in range(4)]
MOMENTS: dict[str, Callable[[Collection], None]] = {
    "in memory": lambda collection: None,
    "on disk": lambda collection: collection.flush(),
    "merged": lambda collection: collection.merge(),
}


def documents(names: list[str], **columns: pa.Array) -> pa.Table:
    ranks = [float(len(names) - i) for i in range(len(names))]
    return pa.table({"doc_id": names, "terms": [["all:1"]] * len(names), "static_rank": ranks, **columns})


@pytest.mark.parametrize("after", MOMENTS)
@pytest.mark.parametrize("before", MOMENTS)
@pytest.mark.parametrize(("kind", "values", "within"), VALUES.values(), ids=VALUES)
def test_a_column_that_comes_later_is_null_before(
    tmp_path: Path, kind: pa.DataType, values: list[Any], within: str, before: str, after: str
) -> None:
    with Collection.create(tmp_path / "grown") as grown, Collection.create(tmp_path / "whole") as whole:
        grown.upsert(documents(OLD))
        MOMENTS[before](grown)
        column = pa.array(values, kind)
        grown.upsert(documents(NEW, c=column))
        grown.update(pa.table({"doc_id": OLD[:1], "c": column[:1]}))
        MOMENTS[after](grown)
        whole.upsert(documents(OLD, c=pa.array([values[0], None, None, None, None], kind)))
        whole.upsert(documents(NEW, c=column))
        for order in ("c", "c desc", ["c", "static_rank"], ["c desc", "static_rank"]):
            assert grown.search("all:1", order_by=order).ids == whole.search("all:1", order_by=order).ids
        assert sorted(grown.search(within).ids) == sorted(whole.search(within).ids)
        facets = {"values": Facet(column="c")}
        if kind in (pa.int64(), pa.float64()):
            facets["ranges"] = Facet(column="c", edges=(0.0, 2.0))
        assert grown.search("all:1", facets=facets).facets == whole.search("all:1", facets=facets).facets
        assert {name: repr(grown.get(name)) for name in OLD + NEW} == {
            name: repr(whole.get(name)) for name in OLD + NEW
        }


NEAREST = [
    "(nn b :k 7)",
    "(nn b :radius 0.8)",
    "(nn b :k 5 :filter tag:1)",
    "(nn b :k 5 :scan 4 :filter tag:1)",
    "(nn b :k 9 :recall 0.95)",
    "(or (and tag:2 (nn b :radius 1)) (nn a :k 3))",
    "(and tag:0 (not (nn b :radius 1)))",
]


@pytest.mark.parametrize("after", MOMENTS)
@pytest.mark.parametrize("before", MOMENTS)
def test_a_key_that_comes_later_is_searched_as_one_of_the_start(tmp_path: Path, before: str, after: str) -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(60, 4)), rng.normal(size=(60, 6))
    names = [f"d{i}" for i in range(60)]
    terms = [[f"tag:{i % 3}"] for i in range(60)]
    has = rng.random(60) < 0.7
    sparse = pa.array(
        [row.tolist() if held else None for row, held in zip(b, has, strict=True)], pa.list_(pa.float64())
    )
    with (
        Collection.create(tmp_path / "g", {"a": 4}) as grown,
        Collection.create(tmp_path / "w", {"a": 4, "b": 6}) as whole,
    ):
        plain = pa.table({"doc_id": names, "terms": terms, "embedding:a": list(a)})
        grown.upsert(plain.slice(0, 40))
        MOMENTS[before](grown)
        grown.upsert(plain.slice(40))
        grown.add_key("b", 6)
        vectors = {"a": rng.normal(size=4), "b": rng.normal(size=6)}
        assert [grown.search(text, vectors=vectors).total for text in NEAREST] == [0, 0, 0, 0, 0, 3, 20]
        update = pa.table({"doc_id": names, "embedding:b": sparse})
        grown.update(update.slice(0, 25))
        MOMENTS[after](grown)
        grown.update(update.slice(25))
        whole.upsert(plain.append_column("embedding:b", sparse))
        for text in NEAREST:
            found, expected = (one.search(text, vectors=vectors, limit=60) for one in (grown, whole))
            assert found.ids == expected.ids
            np.testing.assert_array_equal(found.scores, expected.scores)
        batch = {key: np.tile(vector, (9, 1)) for key, vector in vectors.items()}
        assert grown.search_many(["(nn b :k 7)"] * 9, batch)[3].ids == whole.search("(nn b :k 7)", vectors=vectors).ids
