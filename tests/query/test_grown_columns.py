"""A stored column that comes when there are segments already answers as one that was there from the start, as null."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

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
