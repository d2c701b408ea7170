"""The rules of a vertical's selection: what is kept and refused, and that they act where the documentation says."""

import datetime
import decimal
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yaml_text import parse_yaml

from alicorn.errors import ConfigError, TableError
from alicorn.feedback.choices import Choices
from alicorn.language.order import without_nn
from alicorn.publishing.publish import publish
from alicorn.query import Collection
from alicorn.vertical import Selection, Vertical
from alicorn.vertical.selection.requests import Sign, expected_loss

NOW = datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
BASE = """
name: pages
embedding: pages
document:
  features: {name: {kind: text, column: name}}
  terms: [{prefix: text, column: name, kind: words}]
request:
  features: {text: {kind: text, column: query}}
split: {valid: 0.1}
"""


def vertical(selection: str = "") -> Vertical:
    return parse_yaml(f"{BASE}selection: {selection}\n" if selection else BASE, Vertical, where="vertical.yaml")


def kept(rules: str, **columns) -> tuple[list[bool], dict[str, int]]:
    table = pa.table(columns)
    selection = vertical(f"{{documents: {rules}}}").selection
    refused = selection.refused(table, NOW)
    counts = {rule.label: int((refused == number).sum()) for number, rule in enumerate(selection.documents)}
    return (refused < 0).tolist(), counts


# -- documents


def test_recent_counts_back_from_now_and_a_null_is_not_recent():
    times = [NOW - datetime.timedelta(days=30), NOW - datetime.timedelta(days=30) - HOUR, NOW + HOUR, None]
    rule = "[{kind: recent, column: at, days: 30}]"
    expected = ([True, False, True, False], {"at within 30 days": 2})
    naive = [None if time is None else time.replace(tzinfo=None) for time in times]
    assert kept(rule, at=pa.array(naive, pa.timestamp("us"))) == expected
    for zone in ("UTC", "Asia/Tokyo"):
        assert kept(rule, at=pa.array(times, pa.timestamp("ns", zone))) == expected, "the instant counts, not the zone"


def test_range_has_both_ends_inclusive():
    values = [4.0, 5.0, 7.0, 8.0, None, float("nan")]
    assert kept("[{kind: range, column: n, min: 5, max: 7}]", n=values)[0] == [False, True, True, False, False, False]
    assert kept("[{kind: range, column: n, min: 5}]", n=[4, 5, None])[0] == [False, True, False]
    assert kept("[{kind: range, column: n, max: 5}]", n=[4, 5, 6])[0] == [True, True, False]


DAY = datetime.date(2024, 5, 1)


@pytest.mark.parametrize(
    ("ends", "column", "expected"),
    [
        ("min: 2024-05-01, max: 2024-05-02", pa.array([DAY, DAY + 24 * HOUR, DAY + 48 * HOUR, None]), [1, 1, 0, 0]),
        ("min: 2024-05-01T00:00:00.000000001Z", pa.array([DAY, DAY + 24 * HOUR]), [0, 1]),
        ("max: 2024-05-01T09:00+09:00", pa.array([1714521600, 1714521601], pa.timestamp("s", "Asia/Tokyo")), [1, 0]),
        ("max: 1714521600000000", pa.array([1714521600, 1714521601], pa.timestamp("s")), [1, 0]),
        (
            "min: 2024-05-01T00:00:00.000000002",
            pa.array([1714521600 * 10**9 + n for n in (1, 2)], pa.timestamp("ns")),
            [0, 1],
        ),
        ("min: 08:30, max: 13:05:00", pa.array([datetime.time(8, 29, 59), datetime.time(13, 5)]), [0, 1]),
        ("min: P1D", pa.array([86_399_999, 86_400_000], pa.duration("ms")), [0, 1]),
        ("min: 0.10, max: 0.1", pa.array([decimal.Decimal("0.10"), decimal.Decimal("0.11")]), [1, 0]),
        ("min: 9007199254740993", pa.array([2**53, 2**53 + 1]), [0, 1]),
        ("min: 1", pa.array([False, True]), [0, 1]),
        ("min: 1", pa.nulls(2), [0, 0]),
    ],
)
def test_range_compares_times_and_numbers_in_the_type_of_the_column(ends, column, expected):
    assert kept(f"[{{kind: range, column: c, {ends}}}]", c=column)[0] == [bool(one) for one in expected]


@pytest.mark.parametrize(
    ("ends", "column", "parts"),
    [
        ("min: 13:05:00", pa.array([DAY]), ["'c' is date32[day]: give a date", "got '13:05:00', a time"]),
        ("max: 2024-05-01", pa.array([1]), ["'c' is int64: give a number, got '2024-05-01'"]),
        ("min: 2024-05-01", pa.array(["a"]), ["'c' must be a number, bool, date, time, timestamp or duration"]),
    ],
)
def test_range_refuses_an_end_of_another_kind_than_its_column(ends, column, parts):
    with pytest.raises(TableError) as caught:
        kept(f"[{{kind: range, column: c, {ends}}}]", c=column)
    assert all(part in str(caught.value) for part in parts), caught.value


def test_one_of_takes_strings_and_lists():
    rule = "[{kind: one_of, column: k, values: [page, group]}]"
    assert kept(rule, k=["page", "event", None, "group"])[0] == [True, False, False, True]
    assert kept(rule, k=pa.array(["page", "event"]).dictionary_encode())[0] == [True, False]
    lists = [["event", "page"], ["event"], [], None, [None, "group", "page"]]
    assert kept(rule, k=pa.array(lists, pa.list_(pa.string())))[0] == [True, False, False, False, True]


def test_every_rule_must_keep_and_the_first_that_refuses_counts():
    rules = "[{kind: range, column: n, min: 2}, {kind: one_of, column: k, values: [a]}]"
    found, counts = kept(rules, n=[1, 2, 1, 2], k=["b", "b", "a", "a"])
    assert found == [False, False, False, True]
    assert counts == {"n min 2": 2, "k one of a": 1}


@given(st.lists(st.one_of(st.none(), st.floats(-10, 10)), max_size=30), st.floats(-10, 10), st.floats(0, 5))
def test_range_is_the_obvious_loop(values, low, width):
    selection = Selection.model_validate(
        {"documents": [{"kind": "range", "column": "n", "min": low, "max": low + width}]}
    )
    refused = selection.refused(pa.table({"n": pa.array(values, pa.float64())}), NOW)
    assert (refused < 0).tolist() == [value is not None and low <= value <= low + width for value in values]


# -- what is refused


@pytest.mark.parametrize(
    ("selection", "parts"),
    [
        ("{document: []}", ["unknown key 'document'", "did you mean 'documents'?"]),
        ("{documents: [{kind: recent, column: at}]}", ["missing key selection.documents[0].days"]),
        ("{documents: [{kind: recent, column: at, days: 0}]}", ["selection.documents[0].days", "greater than 0"]),
        ("{documents: [{kind: recent, column: at, days: '3'}]}", ["selection.documents[0].days", "'3'"]),
        ("{documents: [{kind: range, column: n}]}", ["give min, max or both"]),
        ("{documents: [{kind: range, column: n, min: 3, max: 2}]}", ["min is above max (3 > 2)"]),
        ("{documents: [{kind: range, column: n, min: 2024-02-30}]}", ["an end is a number, or a date", "'2024-02-30'"]),
        ("{documents: [{kind: range, column: n, min: 2024-05-02, max: 2024-05-01T12:00}]}", ["min is above max"]),
        ("{documents: [{kind: range, column: n, min: 3, max: 13:05}]}", ["3 is a number, 13:05 a time"]),
        ("{documents: [{kind: one_of, column: k, values: []}]}", ["selection.documents[0].values"]),
        ("{documents: [{kind: newest, column: k}]}", ["selection.documents[0]", "'recent', 'range', 'one_of'"]),
        ("{requests: [{kind: short}]}", ["missing key selection.requests[0].characters"]),
        ("{requests: [{kind: short, characters: 0}]}", ["selection.requests[0].characters"]),
        ("{requests: [{kind: short, charakters: 3}]}", ["unknown key 'charakters'", "did you mean 'characters'?"]),
        ("{requests: [{kind: repeat, days: -1}]}", ["selection.requests[0].days"]),
    ],
)
def test_mistakes_name_their_place(selection, parts):
    with pytest.raises(ConfigError) as caught:
        vertical(selection)
    for part in parts:
        assert part in str(caught.value)


def test_a_rule_s_column_must_be_there_with_its_type():
    with_rule = vertical("{documents: [{kind: recent, column: at, days: 3}]}")
    documents = pa.table({"doc_id": ["a"], "name": ["b"]})
    with pytest.raises(TableError, match=r"column 'at' is missing \(timestamp; selection.documents, recent\)"):
        with_rule.check_documents(documents)
    with pytest.raises(TableError, match="'at' must be timestamp"):
        with_rule.check_documents(documents.append_column("at", pa.array([1])))


# -- requests


class Text:
    """What the rules may ask. signs: those that are not 0."""

    def __init__(self, is_repeat=lambda days: False, **signs: float) -> None:
        self.is_repeat, self._signs = is_repeat, signs

    def signs(self) -> dict[str, float]:
        return {sign: self._signs.get(sign, 0.0) for sign in get_args(Sign)} | {"constant": 1.0}


def test_short_counts_letters_and_digits():
    rules = vertical("{requests: [{kind: short, characters: 3}]}")

    def becomes(text: str, key: str | None = None) -> tuple[str, str | None]:
        expression, rule = rules.request_expression(text, Text(), key)
        return str(expression), rule

    assert becomes("j. o!") == ("(and text:j text:o)", "fewer than 3 characters")
    assert becomes("joe") == ("(or text:joe (nn pages :k 100 :recall 0.95))", None)
    assert becomes("joe", "other")[0] == "(or text:joe (nn other :k 100 :recall 0.95))"
    assert becomes("  ") == ("(or)", "fewer than 3 characters")


def test_repeat_asks_with_its_days():
    asked = []
    rules = vertical("{requests: [{kind: repeat, days: 7}, {kind: repeat, days: 30}]}")
    expression, rule = rules.request_expression("joe", Text(lambda days: asked.append(days) or days > 10))
    assert (str(expression), rule, asked) == ("(and text:joe)", "repeated within 30 days", [7, 30])
    assert rules.selection.repeat_days == 30
    assert rules.request_expression("joe", Text())[1] is None, "without a history nothing repeats"
    assert vertical().selection.repeat_days == 0


def test_a_learned_rule_closes_where_little_is_expected_to_be_lost():
    rules = vertical("{requests: [{kind: learned, at_most: 0.1, weights: {constant: -1.0, none: 3.0, one: -2.0}}]}")

    def becomes(**signs: float) -> str | None:
        return rules.request_expression("joe", Text(**signs))[1]

    assert becomes(one=1.0) == "expected to lose at most 0.1 of NDCG@10 without nn"  # 1 / (1 + e^3) = 0.047
    assert becomes() is None  # 1 / (1 + e) = 0.27
    assert becomes(none=1.0) is None
    assert expected_loss({"found": -1e9}, Text(found=1.0).signs()) == 0.0
    with pytest.raises(ConfigError, match="'constant'"):
        vertical("{requests: [{kind: learned, at_most: 0.1, weights: {wrods: 1}}]}")


def test_an_order_loses_its_nn():
    assert without_nn(None) is without_nn("nn") is without_nn({"nn": 1.0}) is None
    assert without_nn({"nn": 1.0, "bm25": 0.1}) == {"bm25": 0.1}
    assert without_nn("bm25") == "bm25"


def test_choices_are_of_one_searcher_his_words_and_a_time(tmp_path: Path) -> None:
    day = 86_400_000_000
    choices = Choices(days=10)
    choices.add("s1", "John  SMITH!", "d1", 100 * day)
    choices.add("s1", "john smith", "d2", 95 * day)
    choices.add(None, "john smith", "d3", 100 * day)
    assert set(choices.of("s1", "john smith", 101 * day)) == {"d1", "d2"}
    assert list(choices.of("s1", "JOHN smith", 101 * day, days=3)) == ["d1"]
    assert choices.of("s1", "smith john", 101 * day) == []
    assert choices.of("s2", "john smith", 101 * day) == []
    assert choices.of(None, "john smith", 101 * day) == ()
    choices.forget(108 * day)
    assert list(choices.of("s1", "john smith", 101 * day)) == ["d1"]
    write_parts(
        tmp_path,
        searches={"search_id": ["q1", "q2"], "searcher_id": ["s9", "s9"], "query": ["q", "q"]},
        events={
            "search_id": ["q1", "q1", "q2"],
            "doc_id": ["a", "b", "c"],
            "action": ["click", "seen", "click"],
            "time": pa.array([100 * day, 100 * day, day], pa.timestamp("us")),
        },
    )
    choices.add_log(tmp_path, since_us=50 * day)
    assert list(choices.of("s9", "q", 101 * day)) == ["a"]


def write_parts(folder: Path, **tables: dict[str, Any]) -> None:
    for name, columns in tables.items():
        (folder / name).mkdir()
        pq.write_table(pa.table(columns), folder / name / "part-1.parquet")


# -- publish


class FixedModel:
    """All that publish asks of a model; every document has the same vector."""

    key, dim, fingerprint = "pages", 2, "m1"

    def __init__(self, selection: str = "") -> None:
        self.vertical = vertical(selection)

    def encode_documents(self, documents: pa.Table) -> np.ndarray:
        return np.tile(np.float32([1, 0]), (len(documents), 1))


SELECTION = (
    "{documents: [{kind: recent, column: at, days: 7}, {kind: range, column: rank, min: 2}],"
    " requests: [{kind: short, characters: 2}]}"
)


def write(path, days_ago, rank):
    times = [NOW.replace(tzinfo=None) - datetime.timedelta(days=days) for days in days_ago]
    ids = [f"d{number}" for number in range(len(times))]
    table = pa.table({"doc_id": ids, "name": ids, "at": pa.array(times, pa.timestamp("us")), "rank": rank})
    pq.write_table(table, path)
    return path


def indexed_ids(folder):
    with Collection.open(folder, read_only=True) as collection:
        return sorted(collection.search("(nn pages :k 100)", vectors={"pages": [1, 0]}, limit=100).ids)


def test_publish_leaves_out_what_the_rules_refuse_and_counts_it(tmp_path, monkeypatch):
    monkeypatch.setattr("alicorn.publishing.publish.BATCH_ROWS", 2)
    path = write(tmp_path / "d.parquet", days_ago=[1, 8, 1, 9, 2], rank=[5, 5, 1, 1, 2])
    done = publish(path, tmp_path / "c", [FixedModel(SELECTION)], now=NOW)
    assert (done.documents, done.removed) == (2, 0)
    assert done.left_out == {"at within 7 days": 2, "rank min 2": 1}
    assert indexed_ids(tmp_path / "c") == ["d0", "d4"]
    everything = publish(path, tmp_path / "all", [FixedModel()], now=NOW)
    assert (everything.documents, everything.left_out) == (5, {})


def test_what_no_longer_satisfies_the_rules_is_removed(tmp_path):
    path = write(tmp_path / "d.parquet", days_ago=[1, 1, 1], rank=[5, 5, 5])
    publish(path, tmp_path / "c", [FixedModel(SELECTION)], now=NOW)
    write(path, days_ago=[1, 8, 1], rank=[5, 5, 1])
    done = publish(path, tmp_path / "c", [FixedModel(SELECTION)], now=NOW)
    assert (done.documents, done.removed) == (1, 2)
    assert indexed_ids(tmp_path / "c") == ["d0"]
    publish(path, tmp_path / "c", [FixedModel(SELECTION)], now=NOW + datetime.timedelta(days=300))
    assert indexed_ids(tmp_path / "c") == [], "an update may remove all"


def test_a_new_collection_of_nothing_is_refused(tmp_path):
    path = write(tmp_path / "d.parquet", days_ago=[8], rank=[5])
    with pytest.raises(TableError, match=r"leaves out every document \(at within 7 days: 1; rank min 2: 0\)"):
        publish(path, tmp_path / "c", [FixedModel(SELECTION)], now=NOW)
    assert not (tmp_path / "c").exists()
