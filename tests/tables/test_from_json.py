"""JSON in and out: what is shown is read back to the same value, and nothing else is read."""

import datetime
import json

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from alicorn.errors import TableError
from alicorn.reporting.json_text import to_json
from alicorn.tables import JsonError, array_of_json, parse_json, plain_table, python_values

DAY = 86_400
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
FIRST, LAST = -719_161 * DAY, 2_932_895 * DAY  # seconds; a day within the years 1 to 9999, for any zone
ZONES = [None, "UTC", "Asia/Tokyo", "America/New_York", "Europe/Amsterdam", "+05:30"]


def seconds_in(unit):
    return (-(2**63) // 10**9 + 1, 2**63 // 10**9 - 1) if unit == "ns" else (FIRST, LAST)


def counts(kind):
    """Raw counts of a type of time that the door lets in."""
    per_s = UNITS[kind.unit]
    if pa.types.is_time(kind):
        return st.integers(0, DAY * per_s - 1)
    if pa.types.is_duration(kind):
        return st.integers(-(2**63) + 1, 2**63 - 1) if kind.unit in ("us", "ns") else st.integers(-(10**13), 10**13)
    low, high = seconds_in(kind.unit)
    return st.integers(low * per_s, high * per_s)


NUMBERS = {
    **{
        kind: st.integers(-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1)
        for kind in (pa.int8(), pa.int64())
    },
    **{kind: st.integers(0, 2**kind.bit_width - 1) for kind in (pa.uint16(), pa.uint64())},
    pa.float64(): st.floats(allow_nan=False, allow_infinity=False),
    pa.float32(): st.floats(width=32, allow_nan=False, allow_infinity=False),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(),
    pa.binary(): st.binary(),
    pa.binary(3): st.binary(min_size=3, max_size=3),
    pa.decimal128(12, 2): st.decimals(min_value=-(10**9), max_value=10**9, places=2),
    pa.decimal256(60, 30): st.decimals(min_value=-(10**9), max_value=10**9, places=30),
    pa.date32(): st.dates(),
}
TIMES = [
    *(pa.timestamp(unit, zone) for unit in UNITS for zone in ZONES),
    *(pa.duration(unit) for unit in UNITS),
    *(pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
]
KINDS = st.sampled_from([*NUMBERS, *TIMES])


def values_of(kind):
    types = pa.types
    if types.is_list(kind):
        inner = st.lists(values_of(kind.value_type), max_size=3)
    elif types.is_map(kind):
        inner = st.lists(st.tuples(st.text(), values_of(kind.item_type)), max_size=2, unique_by=lambda entry: entry[0])
    elif types.is_struct(kind):
        inner = st.fixed_dictionaries({part.name: values_of(part.type) for part in kind})
    else:
        inner = NUMBERS[kind] if kind in NUMBERS else counts(kind)
    return st.none() | inner


NESTED = st.recursive(
    KINDS,
    lambda inner: (
        inner.map(pa.list_)
        | inner.map(lambda kind: pa.map_(pa.string(), kind))
        | st.tuples(inner, inner).map(lambda two: pa.struct([("a", two[0]), ("b", two[1])]))
    ),
    max_leaves=4,
)
COLUMNS = NESTED.flatmap(lambda kind: st.tuples(st.just(kind), st.lists(values_of(kind), max_size=4)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(COLUMNS)
def test_what_is_shown_is_read_back_unchanged(column):
    kind, values = column
    array = pa.array(values, kind)
    plain_table(pa.table({"c": array}), "t")  # whatever passes the door
    shown = to_json(python_values(array))  # can be shown,
    assert array_of_json(parse_json(shown), kind, "t", "c").equals(array)  # and read back


MISFITS = [
    (pa.int64(), 10.75, "is no int64"),
    (pa.int64(), 2.0**53 + 2, "is no int64"),
    (pa.int64(), float("9007199254740993.0"), "is no int64"),
    (pa.int64(), 2**63, "does not fit int64"),
    (pa.uint8(), -1, "does not fit uint8"),
    (pa.int8(), 128, "does not fit int8"),
    (pa.int64(), True, "is no int64"),
    (pa.int64(), "7", "is no int64"),
    (pa.float32(), 1e300, "does not fit float"),
    (pa.float32(), 1e-300, "it would become 0"),
    (pa.float32(), 2**24 + 1, "it would become"),
    (pa.float64(), 2**53 + 1, "it would become"),
    (pa.float64(), 10**400, "does not fit double"),
    (pa.float64(), True, "is no double"),
    (pa.bool_(), 1, "is no bool"),
    (pa.string(), 7, "is no string"),
    (pa.binary(), "not base64!", "is no base64"),
    (pa.binary(), "/w", "is no base64"),
    (pa.binary(), "/x==", "bits behind"),
    (pa.binary(), "_w==", "is no base64"),
    (pa.binary(3), "/w==", "has 1 bytes"),
    (pa.list_(pa.string()), "red", "is no list"),
    (pa.list_(pa.int64()), [1, 2.5], "is no int64"),
    (pa.struct([("cm", pa.int64())]), {"cm": 1, "width": 7}, "unknown field 'width'"),
    (pa.struct([("cm", pa.int64())]), [1], "is no object"),
    (pa.map_(pa.string(), pa.int64()), {"a": 1}, r"\[key, value\]"),
    (pa.map_(pa.string(), pa.int64()), [[None, 1]], r"\[key, value\]"),
    (pa.decimal128(5, 2), "1.234", "does not fit"),
    (pa.decimal128(5, 2), "1000.00", "does not fit"),
    (pa.decimal128(5, 2), 1.5, "as a string"),
    (pa.decimal128(5, 2), "NaN", "is no decimal"),
    (pa.timestamp("us"), "2024-02-30", "is no timestamp"),
    (pa.timestamp("us"), "today", "ISO 8601"),
    (pa.timestamp("us"), 7, "ISO 8601"),
    (pa.timestamp("s"), "2024-01-01T00:00:00.5", "finer than the unit"),
    (pa.timestamp("ns"), "9999-01-01", "outside"),
    (pa.date32(), "2024-01-01T00:00:00", "ISO 8601"),
    (pa.time32("s"), "24:00:00", "is no time32"),
    (pa.duration("s"), "P", "expected a duration"),
    (pa.duration("s"), "PT0.5S", "finer"),
]


@pytest.mark.parametrize(("kind", "value", "why"), MISFITS, ids=lambda one: str(one)[:40])
def test_what_does_not_fit_is_refused_with_its_row(kind, value, why):
    with pytest.raises(TableError, match=why) as caught:
        array_of_json([None, value], kind, "documents", "c")
    assert (caught.value.column, caught.value.row) == ("c", 1)


@pytest.mark.parametrize(
    ("kind", "value", "same"),
    [
        (pa.int64(), 10.0, 10),
        (pa.float64(), 2**53, float(2**53)),
        (pa.timestamp("us"), "2024-01-01T09:00:00+09:00", datetime.datetime(2024, 1, 1)),
        (pa.timestamp("us", "UTC"), "2024-01-01T00:00:00", datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)),
        (pa.timestamp("s"), "2024-01-01T00:00:00.000", datetime.datetime(2024, 1, 1)),
        (pa.timestamp("us"), "2024-01-01", datetime.datetime(2024, 1, 1)),
        (pa.struct([("a", pa.int64()), ("b", pa.int64())]), {"b": 1}, {"a": None, "b": 1}),
    ],
    ids=str,
)
def test_other_spellings_of_a_value_are_that_value(kind, value, same):
    assert array_of_json([value], kind, "t", "c").to_pylist() == [same]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([None, 1], pa.int64()),
        ([1, 2.5], pa.float64()),
        (["a"], pa.string()),
        ([True], pa.bool_()),
        ([[]], pa.list_(pa.null())),
        ([[], ["red"]], pa.list_(pa.string())),
        ([{"cm": None}], pa.struct([("cm", pa.null())])),
        ([{"cm": None}, {"cm": 7}], pa.struct([("cm", pa.int64())])),
        ([{"a": 1}, {"b": "x"}], pa.struct([("a", pa.int64()), ("b", pa.string())])),
        ([None], pa.null()),
    ],
    ids=str,
)
def test_values_decide_a_type(values, kind):
    assert array_of_json(values, None, "t", "c").type == kind


def test_values_decide_what_is_open_inside_of_a_type():
    kept = pa.struct([("cm", pa.int64()), ("tags", pa.list_(pa.null()))])
    found = array_of_json([{"tags": ["red"]}, {"cm": 1}], kept, "t", "c")
    assert found.type == pa.struct([("cm", pa.int64()), ("tags", pa.list_(pa.string()))])
    assert found.to_pylist() == [{"cm": None, "tags": ["red"]}, {"cm": 1, "tags": None}]


@pytest.mark.parametrize("values", [["a", 1], [[1], "a"], [{"a": 1}, {"a": "x"}], [True, 1], [2**63]], ids=str)
def test_values_of_several_types_are_refused(values):
    with pytest.raises(TableError, match="column 'c', row"):
        array_of_json(values, None, "t", "c")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a": 1, "a": 2}', "'a' is there twice"),
        (b'[{"b": {"a": 1, "a": 2}}]', "'a' is there twice"),
        (b"[NaN]", "NaN is no JSON"),
        (b"[-Infinity]", "-Infinity is no JSON"),
        (b"[1e400]", "too large for a double"),
        (b"[-0.01e-400]", "too small for a double: it would become 0"),
        (b'["\xff"]', "not UTF-8"),
        ('["a"]'.encode("utf-16"), "UTF-8|Expecting"),
        (b'["\\ud800"]', "surrogate"),
        (b'"\xef\xbb\xbf', "BOM|Unterminated|control"),
        (b"[" * 100_000, "nested too deep|Expecting"),
        (b"[1", "delimiter"),
        (b"1" * 500, "500 digits"),
        (b"", "Expecting value"),
    ],
    ids=lambda one: str(one)[:30],
)
def test_what_is_no_json_is_refused(text, why):
    with pytest.raises(JsonError, match=why):
        parse_json(text)


def test_integers_are_exact():
    assert parse_json(b"[9007199254740993, -0, 18446744073709551615]") == [2**53 + 1, 0, 2**64 - 1]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_json_of_others_is_read(value):
    assert parse_json(json.dumps(value)) == value
