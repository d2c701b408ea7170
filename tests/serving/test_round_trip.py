"""What GET gives, POST takes back unchanged, for every type that a stored column may have; and no answer fails."""

import contextlib
import datetime
import decimal
import uuid

import pyarrow as pa
import pytest
from asgi_client import Client

from alicorn.query import Collection
from alicorn.serving import create_app

MOMENT = 1_700_000_000_123_456_789
FIRST_ONE_OCLOCK = 1_793_509_200  # 2026-11-01T01:00-04:00, the first of two
SPRING = 1_772_953_200  # 2026-03-08T03:00-04:00; the second before it is 01:59:59-05:00
UUID = uuid.UUID("123e4567-e89b-12d3-a456-426614174000")
TYPES = {
    **{
        str(kind): ([7, None], kind)
        for kind in (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32())
    },
    "int64": ([2**63 - 1, -(2**63)], pa.int64()),
    "uint64": ([2**63 - 1, 0], pa.uint64()),
    "half": ([1.5, None], pa.float16()),
    "float": ([0.1, -3.4e38], pa.float32()),
    "double": ([0.1, 5e-324], pa.float64()),
    "bool": ([True, None], pa.bool_()),
    "string": (["ä\u0000\U0001f600", ""], pa.string()),
    "string_view": (["a", None], pa.string_view()),
    "binary": ([b"\xff\x00\x10", b""], pa.binary()),
    "fixed binary": ([b"\xff\x00", None], pa.binary(2)),
    "decimal": ([decimal.Decimal("-12.50"), None], pa.decimal128(9, 2)),
    "decimal256": ([decimal.Decimal("1" * 50), None], pa.decimal256(60, 0)),
    "date32": ([datetime.date(1, 1, 1), datetime.date(9999, 12, 31)], pa.date32()),
    "date64": ([datetime.date(2024, 2, 29), None], pa.date64()),
    **{
        f"timestamp {unit} {zone}": ([MOMENT // 10**places, -1], pa.timestamp(unit, zone))
        for unit, places in (("s", 9), ("ms", 6), ("us", 3), ("ns", 0))
        for zone in (None, "UTC", "Asia/Tokyo", "America/New_York", "-03:30")
    },
    "both hours of the day of 25": ([FIRST_ONE_OCLOCK, FIRST_ONE_OCLOCK + 3600], pa.timestamp("s", "America/New_York")),
    "the day of 23 hours": ([SPRING - 1, SPRING], pa.timestamp("s", "America/New_York")),
    "before time zones": ([-(10**10), -62_135_510_400], pa.timestamp("s", "Europe/Rome")),
    "ends of the years": ([-62_135_596_800_000_000, 253_402_300_799_999_999], pa.timestamp("us")),
    "ends of nanoseconds": ([-(2**63) + 1, 2**63 - 1], pa.timestamp("ns")),
    "ends of nanoseconds in a zone": ([-(2**63) + 1, 2**63 - 1], pa.timestamp("ns", "America/New_York")),
    "ends of durations": ([-(2**63) + 1, 2**63 - 1], pa.duration("ns")),
    "ends of durations us": ([-(2**63), 2**63 - 1], pa.duration("us")),
    "uuid": ([UUID, None], pa.uuid()),
    **{f"duration {unit}": ([-(10**12) - 1, 1], pa.duration(unit)) for unit in ("s", "ms", "us", "ns")},
    **{str(kind): ([3_661, 0], kind) for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))},
    "list": ([["a", None], []], pa.list_(pa.string())),
    "list of bytes": ([[b"\xff"], None], pa.large_list(pa.binary())),
    "vectors": ([[[0.5]], [[], None]], pa.list_(pa.list_(pa.float32()))),
    "fixed list": ([[1, 2], None], pa.list_(pa.int64(), 2)),
    "struct": ([{"at": 1, "b": b"\x01"}, None], pa.struct([("at", pa.timestamp("ns")), ("b", pa.binary())])),
    "map": ([[("k", 1)], []], pa.map_(pa.string(), pa.timestamp("us"))),
    "map of integers": ([[(1, [2.5])], None], pa.map_(pa.int64(), pa.list_(pa.float64()))),
    "open list": ([[], None], pa.list_(pa.null())),
    "open struct": ([{"cm": None}, None], pa.struct([("cm", pa.null())])),
}


@pytest.fixture
def start(tmp_path):
    """A server on a collection of two documents with one stored column."""
    with contextlib.ExitStack() as stack:

        def started(column):
            collection = stack.enter_context(Collection.create(tmp_path / "c"))
            collection.upsert(pa.table({"doc_id": ["a", "b"], "terms": [["all:1"]] * 2, "c": column}))
            return collection, stack.enter_context(Client(create_app(collection)))

        yield started


def posted(shown):
    own = {name: shown[name] for name in ("doc_id", "terms", "static_rank")}
    return own | {"columns": {name: value for name, value in shown.items() if name not in own}}


@pytest.mark.parametrize("merged", [False, True], ids=["in memory", "merged"])
@pytest.mark.parametrize(("values", "kind"), TYPES.values(), ids=TYPES)
def test_get_then_post_changes_nothing(start, values, kind, merged):
    collection, client = start(pa.array(values, kind))
    if merged:
        collection.merge()
    before = {doc_id: collection.get(doc_id) for doc_id in "ab"}
    shown = [client.get(f"/v1/documents/{doc_id}").json() for doc_id in "ab"]
    answer = client.post("/v1/documents", json=[posted(one) for one in shown])
    assert answer.status_code == 200, answer.text
    assert {doc_id: collection.get(doc_id) for doc_id in "ab"} == before
    assert [client.get(f"/v1/documents/{doc_id}").json() for doc_id in "ab"] == shown
    found = client.post("/v1/search", json={"expression": "all:1", "explain": True})
    assert found.status_code == 200
    assert [hit["stored"]["c"] for hit in found.json()["hits"]] == [one["c"] for one in shown]
    collection.verify()


def test_numbers_that_are_none_are_null(start):
    _, client = start(pa.array([float("nan"), float("-inf")]))
    assert [client.get(f"/v1/documents/{doc_id}").json()["c"] for doc_id in "ab"] == [None, None]


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        (pa.array([10, 3]), 10.75, "is no int64"),
        (pa.array([10, 3]), True, "is no int64"),
        (pa.array([1.0, 2.0], pa.float32()), 1e300, "does not fit float"),
        (pa.array([1.0, 2.0]), 2**53 + 1, "would become"),
        (pa.array([["a"], []]), "red", "is no list"),
        (pa.array([{"height": 3}, None]), {"height": 3, "width": 7}, "unknown field 'width'"),
        (pa.array([b"a", None]), "no base64", "is no base64"),
        (pa.array([0, 1], pa.timestamp("us")), "10000-01-01T00:00:00", "ISO 8601"),
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_is_refused_and_nothing_is_written(start, column, value, why):
    collection, client = start(column)
    answer = client.post("/v1/documents", json=[{"doc_id": "a", "columns": {"c": value}, "terms": []}])
    assert answer.status_code == 400
    assert why in answer.json()["detail"]
    assert collection.search("all:1").total == 2


@pytest.mark.parametrize(
    "body",
    [
        b'[{"doc_id": "a", "doc_id": "b", "terms": []}]',
        b'[{"doc_id": "a", "terms": [], "columns": {"c": 1, "c": 2}}]',
        b'[{"doc_id": "a", "terms": [], "columns": {"c": NaN}}]',
        b'[{"doc_id": "a", "terms": [], "columns": {"c": 1e999}}]',
        b'[{"doc_id": "a", "terms": ["\\ud800"]}]',
        b'[{"doc_id": "\xff", "terms": []}]',
    ],
    ids=str,
)
def test_what_is_no_json_is_refused(start, body):
    collection, client = start(pa.array([1, 2]))
    answer = client.post("/v1/documents", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "no JSON" in answer.json()["detail"]
    assert len(collection) == 2
