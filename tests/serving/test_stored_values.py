"""A stored value of any type is the same wherever it is read: get, the table of hits, JSON; in memory and on disk."""

from __future__ import annotations

import datetime
import shutil
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from asgi_client import Client, search
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alicorn.query import Collection
from alicorn.reporting.json_text import plain_json
from alicorn.serving import create_app

TIMES = st.datetimes(datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 28))
LEAVES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint8(), st.integers(0, 255)),
    (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    (pa.bool_(), st.booleans()),
    (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
    (pa.binary(), st.binary(max_size=5)),
    (pa.date32(), st.dates()),
    (pa.time64("us"), st.times()),
    (pa.timestamp("us"), TIMES),
    (pa.timestamp("us", "UTC"), TIMES.map(lambda time: time.replace(tzinfo=datetime.UTC))),
    (pa.duration("us"), st.timedeltas(datetime.timedelta(days=-(10**6)), datetime.timedelta(days=10**6))),
    (pa.decimal128(12, 3), st.integers(-(10**12) + 1, 10**12 - 1).map(lambda digits: Decimal(digits).scaleb(-3))),
]


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A type and a strategy of its values: lists and structs of inner ones."""
    lists = inner.map(lambda one: (pa.list_(one[0]), st.lists(st.none() | one[1], max_size=3)))
    pairs = st.tuples(inner, inner).map(
        lambda two: (
            pa.struct([("a", two[0][0]), ("b", two[1][0])]),
            st.fixed_dictionaries({"a": st.none() | two[0][1], "b": st.none() | two[1][1]}),
        )
    )
    return lists | pairs


KINDS = st.recursive(st.sampled_from(LEAVES), nested, max_leaves=3)


@st.composite
def columns(draw: st.DrawFn) -> pa.Array:
    kind, values = draw(KINDS)
    return pa.array(draw(st.lists(st.none() | values, min_size=3, max_size=3)), kind)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(columns(), st.sampled_from(["in memory", "flush", "merge", "flush between"]))
def test_a_value_is_the_same_wherever_it_is_read(tmp_path: Path, column: pa.Array, moment: str) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    expected = dict(zip("abc", column.to_pylist(), strict=True))
    try:
        with Collection.create(folder / "c") as collection, Client(create_app(collection)) as client:
            collection.upsert(pa.table({"doc_id": ["a"], "terms": [["all:1"]], "c": column[:1]}))
            if moment == "flush between":
                collection.flush()
            collection.upsert(pa.table({"doc_id": ["b", "c"], "terms": [["all:1"]] * 2, "c": column[1:]}))
            if moment in ("flush", "merge"):
                getattr(collection, moment)()
            for _ in range(2):
                assert {doc_id: collection.get(doc_id)["c"] for doc_id in "abc"} == expected
                table = collection.search("all:1").table(["c"])
                assert dict(zip(table["doc_id"].to_pylist(), table["c"].to_pylist(), strict=True)) == expected
                hits = search(client, expression="all:1", columns=["c"])["hits"]
                assert {hit["doc_id"]: hit["stored"] for hit in hits} == {
                    doc_id: {"c": plain_json(value)} for doc_id, value in expected.items()
                }
                shown = [client.get(f"/v1/documents/{doc_id}").json() for doc_id in "abc"]
                changes = [{"doc_id": one["doc_id"], "columns": {"c": one["c"]}} for one in shown]
                assert client.patch("/v1/documents", json=changes).json() == {"updated": 3, "unknown": 0}
    finally:
        shutil.rmtree(folder)


def test_a_hit_shows_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "c") as collection, Client(create_app(collection)) as client:
        table = {
            "doc_id": ["a"],
            "terms": [["all:1"]],
            "price": [1],
            "day": [datetime.date(2024, 5, 1)],
            "tags": [["x"]],
        }
        collection.upsert(pa.table(table))
        for columns_asked, shown in [
            (["tags", "day"], {"tags": ["x"], "day": "2024-05-01"}),
            ([], {}),
            (["price", "price", "static_rank"], {"price": 1, "static_rank": 0.0}),
            (None, {"static_rank": 0.0, "price": 1, "day": "2024-05-01", "tags": ["x"]}),
        ]:
            (hit,) = search(client, expression="all:1", columns=columns_asked)["hits"]
            assert hit["stored"] == shown
        for wrong, message in [(["prize"], "did you mean 'price'?"), (["terms"], "no stored column 'terms'")]:
            answer = client.post("/v1/search", json={"expression": "all:1", "columns": wrong})
            assert answer.status_code == 400
            assert message in answer.json()["detail"]
