"""Histograms against counting in Python: numbers of every type, calendar units, and where there is none."""

import collections
import datetime as dt
import math
import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import alicorn
from alicorn.errors import ConfigError
from alicorn.interval import interval
from alicorn.query import Facet
from alicorn.query.facets.histogram import edges_between

KINDS = {
    "int": pa.int32(),
    "price": pa.float64(),
    "real": pa.float32(),
    "cost": pa.decimal128(12, 2),
    "day": pa.date32(),
    "at": pa.timestamp("ns"),
    "zoned": pa.timestamp("us", tz="Asia/Tokyo"),
}
UTC = dt.UTC


@pytest.fixture
def shop(tmp_path):
    """Three segments and memory, some documents deleted; one batch without the columns."""
    rng = random.Random(7)

    def maybe(value):
        return None if rng.random() < 0.2 else value

    rows = {}
    with alicorn.Collection.create(tmp_path / "c") as collection:
        for first, count in ((0, 300), (250, 100), (350, 5), (355, 20)):
            for number in range(first, first + count):
                moment = dt.datetime(2023, 12, 25, tzinfo=UTC) + dt.timedelta(seconds=rng.randint(0, 400 * 86400))
                rows[f"d{number}"] = {
                    "terms": ["all", f"set:{rng.randint(0, 9)}"],
                    "int": maybe(rng.randint(-60, 60)),
                    "price": maybe(rng.choice([-0.1, 0.3, 0.7, 2.5, 9.99, math.nan])),
                    "real": maybe(rng.choice([0.1, 0.3, 0.7, 1.0])),
                    "cost": maybe(Decimal(rng.randint(-300, 300)) / 100),
                    "day": maybe(moment.date()),
                    "at": maybe(moment.replace(tzinfo=None)),
                    "zoned": maybe(moment),
                }
            batch = {f"d{number}": rows[f"d{number}"] for number in range(first, first + count)}
            columns = {name: pa.array([row[name] for row in batch.values()], kind) for name, kind in KINDS.items()}
            collection.upsert(
                pa.table({"doc_id": list(batch), "terms": [row["terms"] for row in batch.values()], **columns})
            )
            if first < 355:
                collection.flush()
        gone = [f"d{number}" for number in range(0, 375, 9)]
        collection.delete(gone)
        yield collection, {doc_id: row for doc_id, row in rows.items() if doc_id not in gone}


def start(value, step):
    """Where the bucket of a value begins."""
    if isinstance(step, str):
        moment = value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)
        day = moment.astimezone(UTC).date() if moment.tzinfo else moment.date()
        back = {"day": 0, "week": day.weekday(), "month": day.day - 1, "year": day.timetuple().tm_yday - 1}
        return day - dt.timedelta(days=back[step])
    return Fraction(str(step)) * (Fraction(str(value)) // Fraction(str(step)))


def following(edge, step):
    if not isinstance(step, str):
        return edge + Fraction(str(step))
    return start(edge + dt.timedelta(days={"day": 1, "week": 7, "month": 31, "year": 366}[step]), step)


@pytest.mark.parametrize("expression", ["all", "(or set:1 set:2)", "set:none"])
@pytest.mark.parametrize(
    ("column", "step"),
    [
        *[("int", 10), ("int", 7), ("int", 2.5), ("price", 0.1), ("price", 3), ("real", 0.1), ("cost", 0.25)],
        *[("day", unit) for unit in ("day", "week", "month", "year")],
        *[("at", "day"), ("at", "month"), ("zoned", "day"), ("zoned", "week"), ("zoned", "year")],
    ],
)
def test_buckets_are_those_of_counting_each_document(shop, expression, column, step):
    collection, rows = shop
    matching = [rows[doc_id] for doc_id in collection.search(expression, limit=1000).ids]
    values = [row[column] for row in matching if row[column] is not None and row[column] == row[column]]
    counts = collections.Counter(start(value, step) for value in values)
    wanted, edge = [], min(counts, default=None)
    while counts and edge <= max(counts):
        wanted.append((edge, following(edge, step), counts[edge]))
        edge = following(edge, step)
    for _ in range(2):
        found = collection.search(expression, limit=1, facets={"f": Facet(column, interval=step)}).facets["f"]
        exact = [
            (*(Fraction(str(end)) if not isinstance(step, str) else end for end in bucket.value), bucket.count)
            for bucket in found.buckets
        ]
        assert exact == wanted
        assert (found.num_values, found.missing) == (len(wanted), len(matching) - len(values))
        collection.merge()


def test_infinite_values_are_in_buckets_without_an_end(tmp_path):
    with alicorn.Collection.create(tmp_path / "c") as collection:
        prices = [-math.inf, 1.0, 25.0, math.inf, math.inf]
        terms = [["all"]] * 3 + [["all", "endless"]] * 2
        collection.upsert(pa.table({"doc_id": list("abcde"), "terms": terms, "price": prices}))
        facets = {"f": Facet("price", interval=10)}
        found = {
            query: [
                (bucket.value, bucket.count) for bucket in collection.search(query, facets=facets).facets["f"].buckets
            ]
            for query in ("all", "endless")
        }
        within = [((0.0, 10.0), 1), ((10.0, 20.0), 0), ((20.0, 30.0), 1)]
        assert found["all"] == [((None, 0.0), 1), *within, ((30.0, None), 2)]
        assert found["endless"] == [((None, None), 2)]


@given(
    kind=st.sampled_from([pa.float64(), pa.float32(), pa.int64(), pa.decimal128(9, 3)]),
    values=st.lists(st.integers(-999_999, 999_999), min_size=1, max_size=20),
    scale=st.integers(0, 3),
    step=st.one_of(st.integers(1, 10**6), st.floats(0.001, 1e5)),
)
def test_each_value_is_in_one_bucket_and_the_outer_buckets_have_one(kind, values, scale, step):
    numbers = [Decimal(value).scaleb(-scale).quantize(Decimal("0.001")) for value in values]
    if not pa.types.is_decimal(kind):
        numbers = [int(value) if pa.types.is_integer(kind) else float(value) for value in numbers]
    ascending = pa.array(sorted(numbers), kind)
    assume(float(max(numbers) - min(numbers)) < 9_000 * step)
    assume(kind != pa.float32() or step >= 1)  # numbers of 32 bits near 1e6 are 1/16 apart
    edges = edges_between("f", step, ascending[0], ascending[-1])
    scaled = [Fraction(value.as_py()) * (10**kind.scale if pa.types.is_decimal(kind) else 1) for value in ascending]
    within = [interval(kind, edge, None) for edge in edges]  # None: beyond the greatest value of the type
    lows = [Fraction(2**64) if one is None else Fraction(one[0]) for one in within]
    places = np.searchsorted(lows, scaled, side="right") - 1
    assert (places.min(), places.max()) == (0, len(edges) - 2)


@given(
    unit=st.sampled_from(["day", "week", "month", "year"]),
    days=st.lists(st.dates(dt.date(1, 1, 1), dt.date(9998, 12, 31)), min_size=1, max_size=2),
)
def test_calendar_units_hold_their_days(unit, days):
    assume((max(days) - min(days)).days < 10_000)
    edges = edges_between("f", unit, pa.scalar(min(days)), pa.scalar(max(days)))
    wanted = [start(min(days), unit)]
    while wanted[-1] <= max(days):
        wanted.append(following(wanted[-1], unit))
    assert list(edges) == wanted


@pytest.mark.parametrize(
    ("facet", "message"),
    [
        (Facet("int", interval=0), "a number above 0, or of dates and timestamps one of day, week, month, year; got 0"),
        (Facet("int", interval=True), "got True"),
        (Facet("int", interval=math.inf), "got inf"),
        (Facet("day", interval="moon"), "got 'moon'"),
        (Facet("int", interval="month"), "needs a column of dates or timestamps, but 'int' is int32"),
        (Facet("day", interval=10), "needs a column of integers, floats or decimals, but 'day' is date32"),
        (Facet("int", interval=1, edges=(1,)), "give edges or an interval, not both"),
        (Facet(prefix="set:", interval=1), "terms have none"),
        (Facet("cost", interval=0.0001), "facet 'f': at most 10000 buckets, but the result needs"),
    ],
)
def test_what_no_interval_can_be(shop, facet, message):
    with pytest.raises(ConfigError, match=message):
        shop[0].search("all", facets={"f": facet})


@pytest.mark.parametrize(
    ("value", "step", "message"),
    [
        (pa.scalar(1e17), 0.001, "further apart than the interval"),
        (pa.scalar(1.7e308), 1e308, "beyond the largest number"),
        (pa.scalar(2**40, pa.timestamp("s")), "day", "the years 1 to 9998"),
        (pa.scalar(dt.date(9999, 1, 1)), "year", "the years 1 to 9998"),
    ],
)
def test_a_value_that_no_bucket_can_hold(value, step, message):
    with pytest.raises(ConfigError, match=message):
        edges_between("f", step, value, value)


@pytest.mark.parametrize("column", ["day", "at", "zoned"])
def test_edges_of_times_are_texts_as_range_reads_them(shop, column):
    collection, _ = shop
    edges = ("2024-01-01", "2024-03-01", "2024-12-31")
    found = collection.search("all", limit=1, facets={"f": Facet(column, edges=edges)}).facets["f"]
    assert [bucket.value for bucket in found.buckets] == list(zip((None, *edges), (*edges, None), strict=True))
    below = [collection.search(f"(range {column} :min {edge})", limit=0).total for edge in edges]
    counts = [bucket.count for bucket in found.buckets]
    assert [sum(counts[place:]) for place in (1, 2, 3)] == below
    assert below[0] > below[1] > below[2]


@pytest.mark.parametrize(
    ("column", "edges", "problem"),
    [
        ("day", ("2024-03-01", "2024-01-01"), "the edges must rise"),
        ("at", ("2024-01-01", 5), "finite numbers, or times of ISO 8601, not both"),
        ("day", ("the first of May",), "its column is date32.*got 'the first of May'"),
        ("price", ("2024-01-01",), "its column is double: give a number, got '2024-01-01'"),
        ("price", (float("nan"),), "the edges are finite numbers"),
    ],
)
def test_edges_that_do_not_fit_the_column_are_refused(shop, column, edges, problem):
    with pytest.raises(ConfigError, match=problem):
        shop[0].search("all", facets={"f": Facet(column, edges=edges)})
