"""`range` over every type of column against exact arithmetic: in memory, in one segment, and in several."""

import datetime as dt
import math
import random
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import alicorn
from alicorn.errors import QueryError
from alicorn.index.durability import archive
from alicorn.index.segment.building import builder
from alicorn.index.segment.numeric import numeric_columns
from alicorn.interval import interval
from alicorn.language.tree import Range

INTEGERS = {
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
DIGITS = {"decimal32": 9, "decimal64": 18, "decimal128": 38, "decimal256": 76}
TICKS = {
    **{f"timestamp[{unit}]": pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")},
    "timestamp[ns, Kolkata]": pa.timestamp("ns", "Asia/Kolkata"),
    **{f"duration[{unit}]": pa.duration(unit) for unit in ("s", "ms", "us", "ns")},
    "time32[s]": pa.time32("s"),
    "time32[ms]": pa.time32("ms"),
    "time64[us]": pa.time64("us"),
    "time64[ns]": pa.time64("ns"),
    "date32": pa.date32(),
}
DAY_US = 86_400 * 10**6
PER_MICROSECOND = {"s": Fraction(1, 10**6), "ms": Fraction(1, 1000), "us": Fraction(1), "ns": Fraction(1000)}


def column_of(name: str, numbers: list[Any]) -> tuple[pa.Array, list[Fraction | float | None]]:
    """A column of this type that holds the numbers, as far as it can, and what they are worth to `range`."""
    if name in INTEGERS:
        low, high = INTEGERS[name]
        kept = [None if n is None else min(max(int(n), low), high) for n in numbers]
        return pa.array(kept, getattr(pa, name)()), [None if n is None else Fraction(n) for n in kept]
    if name in DIGITS:
        scale, digits = DIGITS[name] // 2, DIGITS[name]
        units = [None if n is None else max(-(10**digits) + 1, min(10**digits - 1, int(n * 1000))) for n in numbers]
        exact = [None if n is None else Decimal(f"{n}E-{scale}") for n in units]
        kind = getattr(pa, name)(digits, scale)
        return pa.array(exact, kind), [None if n is None else Fraction(n) for n in exact]
    if name.startswith("float"):
        dtype = np.dtype(name).type
        with np.errstate(over="ignore"):
            kept = [None if n is None else dtype(float(n)) for n in numbers]
        return pa.array(kept, getattr(pa, name)()), [None if n is None or np.isnan(n) else float(n) for n in kept]
    if name == "bool":
        return pa.array([None if n is None else n > 0 for n in numbers], pa.bool_()), [
            None if n is None else Fraction(n > 0) for n in numbers
        ]
    kind = TICKS[name]
    per = Fraction(1) if name == "date32" else PER_MICROSECOND[kind.unit]
    if pa.types.is_time(kind):
        low, high = 0, int(86_399_000_000 * per)
    elif pa.types.is_duration(kind):
        high = min(2**62, int(999_999_999 * DAY_US * per))
        low = -high
    else:  # what a calendar shows, with any zone
        per_day = 1 if name == "date32" else int(DAY_US * per)
        low, high = max(-(2**62), -719_161 * per_day), min(2**62, 2_932_895 * per_day)
    ticks = [None if n is None else min(max(int(n), low), high) for n in numbers]
    array = pa.array(ticks, pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind)
    return array, [None if n is None else Fraction(n) / per for n in ticks]


def within(name: str, value: Fraction | float | None, low: Any, high: Any) -> bool:
    """The oracle: fractions; a float column rounds the ends to its own type, by looking at the neighbours."""
    if value is None:
        return False
    exact = [None if end is None else Fraction(str(end)) for end in (low, high)]
    if not name.startswith("float"):
        return (exact[0] is None or value >= exact[0]) and (exact[1] is None or value <= exact[1])
    dtype = np.dtype(name).type
    largest = Fraction(float(np.finfo(dtype).max))
    half_step = (largest - Fraction(float(np.nextafter(np.finfo(dtype).max, dtype(0))))) / 2
    for end, above in zip(exact, (True, False), strict=True):
        if end is None:
            continue
        if abs(end) >= largest + half_step:
            inside = (value > end) if above else (value < end)  # only an infinity is beyond
        else:
            nearest = rounded(end, dtype)
            inside = value >= nearest if above else value <= nearest
        if not inside:
            return False
    return True


def rounded(end: Fraction, dtype: Callable[[float], Any]) -> float:
    with np.errstate(over="ignore", under="ignore"):
        guess = dtype(float(end))
        around = [guess, np.nextafter(guess, dtype(-np.inf)), np.nextafter(guess, dtype(np.inf))]
    steps = [step for step in around if np.isfinite(step)]
    return float(min(steps, key=lambda number: abs(Fraction(float(number)) - end)))


names = [*INTEGERS, *DIGITS, "float16", "float32", "float64", "bool", *TICKS]
EDGES = [2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
wholes = (
    st.integers(-(2**65), 2**65) | st.integers(-200, 200) | st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
)
halves = st.integers(-400, 400).map(lambda n: Decimal(n) / 2) | st.decimals(
    -(10**6), 10**6, allow_nan=False, allow_infinity=False, places=3
)
ends = st.none() | wholes | halves | st.floats(allow_nan=False, allow_infinity=False)
stored = st.none() | wholes | halves | st.sampled_from([-0.0, 0.1, 9.99, math.inf, -math.inf, math.nan, 65504.0])


def spelled(end: Any) -> str:
    return repr(end) if isinstance(end, float) else str(end)


@pytest.mark.parametrize("name", names)
@settings(max_examples=60, deadline=None)
@given(numbers=st.lists(stored, min_size=1, max_size=12), low=ends, high=ends)
@example(numbers=[0.1, 9.99, Decimal("9.99"), 2**53 + 1], low=9.99, high=9.99)
@example(numbers=[65504, math.inf, 1e300, -math.inf], low=65520, high=1e300)
def test_an_interval_is_exact_in_every_type(name: str, numbers: list[Any], low: Any, high: Any) -> None:
    column, values = column_of(name, finite_unless_float(name, numbers))
    assert found_by_interval(column, low, high) == [within(name, value, low, high) for value in values]


def test_a_collection_finds_what_the_oracle_says_in_memory_in_segments_and_merged(tmp_path: Path) -> None:
    rng = random.Random(0)
    grid = [-3, Decimal("-0.5"), -0.0, 0, 0.1, Decimal("0.125"), 1, 9.99, 12, 255, 65504, *EDGES, 2**64, math.nan]
    drawn = {name: [rng.choice([None, math.inf, -math.inf, *grid]) for _ in range(60)] for name in names}
    made = {name: column_of(name, finite_unless_float(name, numbers)) for name, numbers in drawn.items()}
    table = pa.table({"doc_id": [f"d{row:02}" for row in range(60)], **{name: made[name][0] for name in names}})
    asked = [tuple(rng.choice([None, *grid[:-1]]) for _ in range(2)) for _ in range(20)]
    with alicorn.Collection.create(tmp_path / "c", embeddings={"v": 2}) as collection:
        for rows in (range(25), range(25, 60)):
            collection.upsert(table.slice(rows.start, len(rows)))
            for finish in (lambda: None, collection.flush):
                finish()
                check_ranges(collection, made, asked, rows.stop)
        collection.merge()
        check_ranges(collection, made, asked, 60)


def check_ranges(collection: alicorn.Collection, made: dict[str, Any], asked: list[Any], known: int) -> None:
    few = "(range int8 :min 0 :max 1)"
    for name, (_, values) in made.items():
        for low, high in asked:
            parts = [f":{end} {spelled(n)}" for end, n in (("min", low), ("max", high)) if n is not None]
            if not parts:
                continue
            text = f'(range "{name}" {" ".join(parts)})'
            expected = [f"d{row:02}" for row in range(known) if within(name, values[row], low, high)]
            assert sorted(collection.search(text, limit=100).ids) == expected, text
            among = [f"d{row:02}" for row in range(known) if within("int8", made["int8"][1][row], 0, 1)]
            assert sorted(collection.search(f"(and {few} {text})", limit=100).ids) == sorted({*among} & {*expected}), (
                text
            )


def finite_unless_float(name: str, numbers: list[Any]) -> list[Any]:
    if name.startswith("float"):
        return numbers
    return [None if n is None or not math.isfinite(n) else n for n in numbers]


def found_by_interval(column: pa.Array, low: Any, high: Any) -> list[bool]:
    """By alicorn.interval alone, value by value."""
    ends_within = interval(column.type, low, high)
    if ends_within is None:
        return [False] * len(column)
    out = []
    for value in column:
        number = plain(value)
        out.append(number is not None and ends_within[0] <= number <= ends_within[1])
    return out


def plain(value: pa.Scalar) -> Any:
    kind = value.type
    if not value.is_valid:
        return None
    if pa.types.is_decimal(kind):
        return int(Fraction(value.as_py()) * 10**kind.scale)
    if pa.types.is_floating(kind):
        number = float(value.as_py())
        return None if math.isnan(number) else number
    if pa.types.is_boolean(kind):
        return int(value.as_py())
    if pa.types.is_integer(kind):
        return value.as_py()
    return value.cast(pa.int32() if kind.bit_width == 32 else pa.int64()).as_py()


def collection_of(path: Path, **columns: pa.Array) -> alicorn.Collection:
    collection = alicorn.Collection.create(path / "c", embeddings={"v": 2})
    rows = len(next(iter(columns.values())))
    collection.upsert(pa.table({"doc_id": [f"d{row}" for row in range(rows)], **columns}))
    return collection


def test_by_hand(tmp_path):
    second = 1_000_000
    with collection_of(
        tmp_path,
        price=pa.array([9.99, 0.1, None], pa.float32()),
        opens=pa.array([dt.time(8), dt.time(20), None], pa.time64("us")),
        takes=pa.array([60, 7200, None], pa.duration("s")),
        day=pa.array([dt.date(1970, 1, 2), dt.date(2024, 2, 29), None]),
        at=pa.array([1_500, 1_999, None], pa.timestamp("ns", "Asia/Kolkata")),
        big=pa.array([2**64 - 1, 2**53 + 1, None], pa.uint64()),
        money=pa.array([Decimal("0.10"), Decimal("12345678901234567890123456.78"), None], pa.decimal128(38, 2)),
        yes=pa.array([False, True, None]),
    ) as collection:
        for expression, ids in {
            "(range price :min 9.99 :max 9.99)": ["d0"],
            f"(range opens :max {8 * 3600 * second})": ["d0"],
            f"(range takes :min {61 * second})": ["d1"],
            "(range day :min 1 :max 1)": ["d0"],
            "(range at :max 1.5)": ["d0"],
            "(range at :min 1.5001)": ["d1"],
            "(range big :min 18446744073709551615)": ["d0"],
            "(range big :min 9007199254740993 :max 9007199254740993)": ["d1"],
            "(range big :min 9007199254740993.5 :max 9007199254740994)": [],
            "(range money :min 0.1 :max 0.1)": ["d0"],
            "(range money :min 12345678901234567890123456.78)": ["d1"],
            "(range money :min 12345678901234567890123456.79)": [],
            "(range yes :min 1)": ["d1"],
            "(range yes :min 0.5 :max 0.6)": [],
        }.items():
            assert sorted(collection.search(expression).ids) == ids, expression
            collection.flush()
            assert sorted(collection.search(expression).ids) == ids, expression
        assert collection.search(Range("money", Decimal("12345678901234567890123456.78"))).ids == ["d1"]


moments = st.datetimes(dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29))
fractions = st.integers(0, 10**11 - 1)  # hundredths of a nanosecond of a second: finer than any unit
zones = st.sampled_from([None, 0, 9 * 60, -(5 * 60 + 45)])


@pytest.mark.parametrize("name", [name for name in TICKS if not name.startswith(("time", "duration"))])
@settings(max_examples=60, deadline=None)
@given(numbers=st.lists(wholes, min_size=1, max_size=12), low=moments, high=moments, finer=fractions, zone=zones)
def test_ends_of_iso_8601_are_the_instants_they_name(name, numbers, low, high, finer, zone) -> None:
    column, values = column_of(name, [*numbers, int(Fraction(instant(low, 0)) * 10**6)])
    ends = [written_timestamp(moment, finer, zone) for moment in (low, high)]
    exact = [instant(moment, finer) - (zone or 0) * 60 for moment in (low, high)]
    per = 86_400 if name == "date32" else Fraction(1, 10**6)
    assert found_by_interval(column, *ends) == [exact[0] <= value * per <= exact[1] for value in values]


@pytest.mark.parametrize("name", [name for name in TICKS if name.startswith(("time3", "time6", "duration"))])
@settings(max_examples=60, deadline=None)
@given(numbers=st.lists(wholes, min_size=1, max_size=12), low=st.integers(0, 86_399), finer=fractions)
def test_ends_of_times_of_day_and_durations_are_exact(name, numbers, low, finer) -> None:
    column, values = column_of(name, [*numbers, low * 10**6])
    clock = f"{low // 3600:02}:{low // 60 % 60:02}:{low % 60:02}.{finer:011}"
    end = f"PT{low}.{finer:011}S" if name.startswith("duration") else clock
    exact = (low + Fraction(finer, 10**11)) * 10**6
    assert found_by_interval(column, end, None) == [value >= exact for value in values]
    assert found_by_interval(column, None, end) == [value <= exact for value in values]
    if name.startswith("duration"):
        assert found_by_interval(column, "-" + end, None) == [value >= -exact for value in values]


def instant(moment: dt.datetime, finer: int) -> Fraction:
    """Seconds since 1970."""
    since = moment.replace(microsecond=0) - dt.datetime(1970, 1, 1)
    return since.days * 86_400 + since.seconds + Fraction(finer, 10**11)


def written_timestamp(moment: dt.datetime, finer: int, zone: int | None) -> str:
    text = f"{moment.replace(microsecond=0).isoformat()}.{finer:011}"
    if zone is None:
        return text
    return text + (f"{'-' if zone < 0 else '+'}{abs(zone) // 60:02}:{abs(zone) % 60:02}" if zone else "Z")


def test_times_by_hand(tmp_path):
    with collection_of(
        tmp_path,
        day=pa.array([dt.date(2024, 2, 29), dt.date(2024, 3, 1), None]),
        at=pa.array([1_709_164_800_000_000_000, 1_709_164_800_000_000_001, None], pa.timestamp("ns", "Asia/Kolkata")),
        naive=pa.array([dt.datetime(2024, 2, 29), dt.datetime(2024, 2, 29, 12), None]),
        opens=pa.array([dt.time(8), dt.time(20), None], pa.time32("s")),
        takes=pa.array([-60, 7200, None], pa.duration("s")),
    ) as collection:
        for expression, ids in {
            "(range day :min 2024-02-29 :max 2024-02-29)": ["d0"],
            "(range day :min 2024-02-29T00:00:00.0000000001)": ["d1"],
            "(range at :max 2024-02-29)": ["d0"],
            "(range at :min 2024-02-29T00:00:00.000000001Z)": ["d1"],
            "(range at :max 2024-02-29T05:30+05:30)": ["d0"],
            '(range naive :min "2024-02-29 00:00:00" :max 2024-02-29T11:59:59.999999)': ["d0"],
            "(range opens :max 08:00)": ["d0"],
            "(range opens :min 08:00:00.5)": ["d1"],
            "(range takes :max -PT1M)": ["d0"],
            "(range takes :min P0W :max PT2H)": ["d1"],
            "(or (range day :min 9999-12-31) (range day :max 0001-01-01))": [],
        }.items():
            assert sorted(collection.search(expression).ids) == ids, expression
            collection.flush()
            assert sorted(collection.search(expression).ids) == ids, expression
        assert collection.search(Range("day", "2024-02-29", "2024-02-29")).ids == ["d0"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "(range day :min 13:05)",
            "column 'day' is date32[day]: give a date such as 2024-05-01, or days since 1970, got",
        ),
        (
            "(range at :min P1D)",
            "give a time such as 2024-05-01T13:05:00Z, or microseconds since 1970 in UTC, got 'P1D', a",
        ),
        (
            "(range opens :max 2024-05-01)",
            "give a time such as 13:05:00, or microseconds since midnight, got '2024-05-01'",
        ),
        ("(range takes :max 13:05)", "give a duration such as P1DT2.5S, or microseconds, got '13:05', a time"),
        ("(range price :max 2024-05-01)", "column 'price' is double: give a number, got '2024-05-01'"),
    ],
)
def test_an_end_of_another_kind_than_the_column_is_an_error(expression, message, tmp_path):
    with collection_of(
        tmp_path,
        day=pa.array([dt.date(2024, 2, 29)]),
        at=pa.array([0], pa.timestamp("us")),
        opens=pa.array([0], pa.time32("s")),
        takes=pa.array([0], pa.duration("s")),
        price=pa.array([1.5]),
    ) as collection:
        with pytest.raises(QueryError) as caught:
            collection.search(f"(or nothing {expression})")
        assert message in str(caught.value)
        assert caught.value.offset == 12


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a"]),
        pa.array([b"a"]),
        pa.array([[1]]),
        pa.array([{"a": 1}]),
    ],
    ids=lambda column: str(column.type),
)
def test_a_column_without_an_order_of_numbers_is_an_error_that_names_it_and_its_type(column, tmp_path):
    with collection_of(tmp_path, x=column, year=pa.array([1])) as collection:
        with pytest.raises(QueryError, match=r"'x' is .*the collection has: .*year") as caught:
            collection.search("(and (range year :min 0) (range x :min 0))")
        assert caught.value.offset == 25
        assert f"'x' is {column.type}" in str(caught.value)


def test_a_column_of_nothing_but_nulls_matches_nothing_until_a_value_decides_its_type(tmp_path):
    expressions = ["(range x :min 0)", "(range x :max 2024-05-01)"]
    with collection_of(tmp_path, x=pa.nulls(1), year=pa.array([1])) as collection:
        for finish in (lambda: None, collection.flush):
            finish()
            assert [collection.search(expression).ids for expression in expressions] == [[], []]
            assert collection.get("d0")["x"] is None
        collection.upsert(pa.table({"doc_id": ["d1"], "x": [5]}))
        for finish in (lambda: None, collection.flush, collection.merge):
            finish()
            assert collection.search(expressions[0]).ids == ["d1"]
            with pytest.raises(QueryError, match="column 'x' is int64: give a number"):
                collection.search(expressions[1])
    with alicorn.Collection.open(tmp_path / "c") as collection:
        assert collection.search(expressions[0]).ids == ["d1"]
        with pytest.raises(QueryError, match="there is no 'y'"):
            collection.search("(range y :min 0)")


def test_a_segment_of_the_first_format_whose_times_were_microseconds_is_read_right(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(archive, "FORMAT_VERSION", 1)
        patch.setattr(builder, "numeric_columns", lambda fields: numeric_columns(in_microseconds(fields)))
        with collection_of(tmp_path, at=pa.array([1_000_000, 3_000_000], pa.timestamp("ns"))) as collection:
            collection.flush()
    with alicorn.Collection.open(tmp_path / "c") as collection:
        assert collection.search("(range at :min 2000)").ids == ["d1"]


def in_microseconds(fields: pa.Table) -> pa.Table:
    return fields.set_column(fields.column_names.index("at"), "at", fields["at"].cast(pa.timestamp("us")))
