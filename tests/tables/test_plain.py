"""Encodings of a type are one type: the same values, whatever wrote them."""

import datetime
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from alicorn.errors import TableError
from alicorn.tables import plain_table, plain_type
from alicorn.tables.plain import plain_array

WORDS = ["a", None, "", "a word of more than twelve bytes", "ähm"]
LISTS = [["a", None], None, [], ["b"], ["c", "d", "e"]]
DIALECTS = [
    *(pa.array(WORDS, kind) for kind in (pa.large_string(), pa.string_view())),
    *(pa.array(WORDS).dictionary_encode().cast(pa.dictionary(i, pa.string())) for i in (pa.int8(), pa.uint16())),
    pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0], pa.int8()), pa.array(["x", None])),
    pc.run_end_encode(pa.array(["a", "a", None, "b", "b"])),
    *(
        pa.array(LISTS, layout(kind))
        for layout in (pa.list_, pa.large_list, pa.list_view, pa.large_list_view)
        for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))
    ),
    pa.array([[1, 2], None, [3, None]], pa.list_(pa.int64(), 2)),
    pa.array([[["a"], None], None, [[]]], pa.large_list(pa.large_list(pa.large_string()))),
    pa.array([{"x": ["a"]}, None, {"x": None}], pa.struct([("x", pa.large_list(pa.string_view()))])),
    pa.array([[("a", "b")], None, []], pa.map_(pa.string(), pa.large_string())),
    pa.array([np.float16(1.5), None, np.float16(-0.25)], pa.float16()),
    pa.array([datetime.date(2024, 2, 29), None], pa.date64()),
    pa.array([b"\xff", None], pa.large_binary()),
    pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())),
    pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16), None], pa.binary(16))),
]


@pytest.mark.parametrize("array", DIALECTS, ids=lambda array: str(array.type))
def test_a_dialect_is_read_as_what_it_means_in_every_slice(array):
    values = [str(one) if isinstance(one, uuid.UUID) else one for one in array.to_pylist()]
    for start in range(len(array)):
        for stop in range(start, len(array) + 1):
            plain = plain_array(array.slice(start, stop - start))
            plain.validate(full=True)
            assert plain.type == plain_type(array.type) == plain_type(plain_type(array.type))
            assert plain.to_pylist() == values[start:stop]


def test_views_that_overlap_and_come_in_any_order_keep_their_values():
    views = pa.ListViewArray.from_arrays([2, 0, 1], [1, 3, 2], pa.array(["a", "b", "c"]))
    assert plain_array(views).to_pylist() == [["c"], ["a", "b", "c"], ["b", "c"]]


def test_a_plain_column_is_not_copied():
    table = pa.table({"a": ["x"], "b": [[1.5]], "c": [{"d": 1}]})
    assert plain_table(table, "t")["a"].chunk(0).buffers()[2].address == table["a"].chunk(0).buffers()[2].address


def broken_text(*parts: bytes) -> pa.Array:
    ends = np.cumsum([0, *map(len, parts)]).astype(np.int32)
    return pa.StringArray.from_buffers(len(parts), pa.py_buffer(ends), pa.py_buffer(b"".join(parts)))


MICROS = pa.timestamp("us")
REFUSED = [
    (broken_text(b"a", b"b", b"\xff"), "row 2.*not UTF-8", 2),
    (pa.array([0, 2**63 - 1], pa.int64()).cast(MICROS), "first bad row 1.*'for ever'", 1),
    (pa.array([[], [0, 2**63 - 1]], pa.list_(MICROS)), "first bad row 1", 1),
    (pa.array([None, {"until": 2**63 - 1}], pa.struct([("until", MICROS)])), "first bad row 1", 1),
    (pa.array([[("a", 2**63 - 1)]], pa.map_(pa.string(), MICROS)), "first bad row 0", 0),
    (pa.array([2**31 - 1], pa.int32()).cast(pa.date32()), "first bad row 0", 0),
    (pa.array([1, 2**62], pa.int64()).cast(pa.duration("s")), "first bad row 1", 1),
    (pa.array([-(2**63)], pa.int64()).cast(pa.timestamp("ns")), "or NaT, .* first bad row 0", 0),
    (pa.array([0, -(2**63)], pa.int64()).cast(pa.duration("ns")), "or NaT, .* first bad row 1", 1),
    (pa.array([0], pa.int64()).cast(pa.timestamp("us", "Mars/Olympus")), "zone 'Mars/Olympus' is not known", None),
    (pa.array([86_400_001], pa.int64()).cast(pa.date64()), "row 0.*lose data|row 0", 0),
    (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), "cannot be stored; a column may be string", None),
    (pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])]), "union", None),
]


@pytest.mark.parametrize(("array", "why", "row"), REFUSED, ids=[why for _, why, _ in REFUSED])
def test_what_cannot_be_shown_later_is_refused_with_its_row(array, why, row):
    with pytest.raises(TableError, match=why) as caught:
        plain_table(pa.table({"c": array}), "documents", first_row=0)
    assert (caught.value.table, caught.value.column, caught.value.row) == ("documents", "c", row)


@pytest.mark.parametrize("kind", [MICROS, pa.timestamp("s", "Pacific/Kiritimati"), pa.timestamp("ms"), pa.date32()])
def test_the_ends_of_the_calendar_can_be_shown(kind):
    """Whatever passes the door has a Python value: the first and the last day that pass do, the next do not pass."""
    day = {"s": 1, "ms": 1_000, "us": 1_000_000}.get(getattr(kind, "unit", ""), 0) * 86_400 or 1
    for edge, outwards in ((-719_162, -1), (2_932_896, 1)):
        days = np.arange(edge - 3, edge + 4)
        passed = []
        for number in days.tolist():
            ticks = pa.array([number * day], pa.int64()).cast(pa.int32() if kind == pa.date32() else pa.int64())
            try:
                table = plain_table(pa.table({"c": ticks.cast(kind)}), "t")
            except TableError:
                continue
            passed.append(number)
            assert table["c"].to_pylist()[0].year in (1, 9999)
        assert passed == sorted(passed)
        assert len(passed) in (3, 4)
        assert outwards * (days[3] - passed[-1 if outwards > 0 else 0]) in (0, 1)
