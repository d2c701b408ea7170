"""A stored column has no type until a value comes, at every depth; what was there before stays what it was."""

import datetime

import pyarrow as pa
import pytest

from alicorn.errors import TableError
from alicorn.query import Collection

CASES = {
    "list": (pa.array([[]]), pa.array([["red"]]), pa.array([[7]])),
    "struct": (pa.array([{"cm": None}]), pa.array([{"cm": 7}]), pa.array([{"cm": "x"}])),
    "empty struct": (pa.array([{}], pa.struct([])), pa.array([{"cm": 7}]), pa.array([{"inch": 1}])),
    "lists in a list": (pa.array([[[]]]), pa.array([[["a"]]]), pa.array([["a"]])),
    "a list in a struct": (pa.array([{"a": []}]), pa.array([{"a": [1.5]}]), pa.array([{"a": 1.5}])),
    "null": (pa.nulls(1), pa.array(["a"]), pa.array([1])),
}


def table(doc_id, values=None):
    columns = {"doc_id": [doc_id], "terms": [["all:1"]]}
    return pa.table(columns if values is None else {**columns, "c": values})


def stored(collection, doc_id):
    found = collection.get(doc_id)
    assert found is not None
    return found.get("c")


@pytest.mark.parametrize("moment", ["in memory", "flushed", "merged", "reopened", "flushed between"])
@pytest.mark.parametrize(("empty", "value", "other"), CASES.values(), ids=CASES)
def test_the_first_value_decides_and_the_empty_ones_stay(tmp_path, empty, value, other, moment):
    collection = Collection.create(tmp_path / "c")
    collection.upsert(table("empty", empty))
    if moment == "flushed between":
        collection.flush()
    if moment == "reopened":
        collection.close()
        collection = Collection.open(tmp_path / "c")
    collection.upsert(table("full", value))
    collection.upsert(table("later", empty))
    with pytest.raises(TableError, match=r"'c' is .* in this collection, got"):
        collection.upsert(table("other", other))
    if moment == "flushed":
        collection.flush()
    if moment == "merged":
        collection.merge()
    if moment == "reopened":
        collection.close()
        collection = Collection.open(tmp_path / "c")
    assert sorted(collection.search("all:1").ids) == ["empty", "full", "later"]
    assert stored(collection, "full") == value[0].as_py()
    as_it_was = [empty[0].as_py(), {"cm": None}, None]  # a struct without values gets the fields that come
    assert stored(collection, "empty") in as_it_was
    assert stored(collection, "later") in as_it_was
    if pa.types.is_list(value.type):
        assert stored(collection, "empty") == stored(collection, "later") == empty[0].as_py()
    assert collection.snapshot().columns["c"] == value.type
    collection.verify()
    collection.close()


def test_a_struct_keeps_its_fields_by_name(tmp_path):
    with Collection.create(tmp_path / "c") as collection:
        collection.upsert(table("a", pa.array([{"x": 1, "y": "one"}])))
        collection.upsert(table("b", pa.array([{"y": "two"}])))
        collection.upsert(table("c", pa.array([{"y": "three", "x": 3}])))
        assert [stored(collection, doc_id) for doc_id in "abc"] == [
            {"x": 1, "y": "one"},
            {"x": None, "y": "two"},
            {"x": 3, "y": "three"},
        ]
        with pytest.raises(TableError, match=r"'c' is struct"):
            collection.upsert(table("d", pa.array([{"z": 1}])))


def test_lists_of_every_layout_are_one_type(tmp_path):
    layouts = [pa.list_(pa.int64()), pa.large_list(pa.int64()), pa.list_(pa.int64(), 2), pa.list_view(pa.int64())]
    with Collection.create(tmp_path / "c") as collection:
        for number, layout in enumerate(layouts):
            collection.upsert(table(str(number), pa.array([[1, 2]], layout)))
        collection.merge()
        assert all(stored(collection, str(number)) == [1, 2] for number in range(len(layouts)))


def test_nanoseconds_are_kept_over_a_merge(tmp_path):
    times = pa.array([1_700_000_000_000_000_001], pa.int64()).cast(pa.timestamp("ns"))
    with Collection.create(tmp_path / "c") as collection:
        collection.upsert(table("a", times))
        collection.merge()
        assert str(stored(collection, "a")) == "2023-11-14T22:13:20.000000001"


UNTIL = 2**63 - 1


@pytest.mark.parametrize(
    "column",
    [
        pa.array([UNTIL], pa.timestamp("us")),
        pa.array([[UNTIL]], pa.list_(pa.timestamp("us"))),
        pa.array([{"until": UNTIL}], pa.struct([("until", pa.timestamp("ms"))])),
        pa.array([2**31 - 1], pa.date32()),
        pa.array([UNTIL], pa.duration("s")),
    ],
    ids=lambda column: str(column.type),
)
def test_a_time_that_no_answer_can_show_is_refused(tmp_path, column):
    with Collection.create(tmp_path / "c") as collection:
        with pytest.raises(TableError, match=r"column 'c'.*years 1 to 9999"):
            collection.upsert(table("a", column))
        assert len(collection) == 0


def test_the_last_day_of_the_calendar_is_shown(tmp_path):
    last = datetime.datetime(9999, 12, 31, 23, 59, 59, 999_999)
    with Collection.create(tmp_path / "c") as collection:
        collection.upsert(table("a", pa.array([last], pa.timestamp("us"))))
        assert stored(collection, "a") == last
