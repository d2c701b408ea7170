"""What was known at the time of a search: columns of the log itself, and the searcher as of then."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from logs_world import TIME, at, good_tables, vertical, write_logs

from alicorn.errors import ConfigError, TableError
from alicorn.evaluation.searches import read_searches
from alicorn.logs import mine
from alicorn.vertical.requests import RequestTables, latest, request_table

CONTEXT = """city: {kind: id, column: city}
    device: {kind: id, column: device}
    page: {kind: numeric, column: page}
  context: [device, page]"""


def with_context(device: list, page: list) -> dict[str, pa.Table]:
    tables = good_tables()
    shown = tables["impressions"].append_column("device", pa.array(device, pa.string()))
    return tables | {"impressions": shown.append_column("page", pa.array(page, pa.int64()))}


def mined(tmp_path: Path, tables: dict[str, pa.Table], city: str = CONTEXT) -> dict[str, int]:
    return mine(write_logs(tmp_path / "logs", tables), vertical(city=city), tmp_path / "pairs")


def test_columns_of_the_log_are_known_of_every_search(tmp_path):
    mined(tmp_path, with_context(["phone", "phone", None, "desk", "phone"], [1, 1, 2, None, 3]))
    assert pq.read_table(tmp_path / "pairs" / "context.parquet").to_pydict() == {
        "search_id": ["s1", "s2", "s3", "s4"],
        "device": ["phone", None, "desk", "phone"],
        "page": [1, 2, None, 3],
    }
    requests = read_searches(tmp_path / "pairs", split="test").requests
    assert requests.to_pylist() == [{"query": "q s4", "city": "Rome", "device": "phone", "page": 3}]


def test_the_rows_of_a_search_agree_on_its_context(tmp_path):
    with pytest.raises(TableError, match="the rows of one search_id have different values") as caught:
        mined(tmp_path, with_context(["phone", None, "desk", "desk", "desk"], [1] * 5))
    assert (caught.value.column, caught.value.row) == ("device", 0)


def test_a_column_of_the_context_is_asked_of_impressions(tmp_path):
    with pytest.raises(TableError, match=r"impressions: column 'device' .*request\.features\.device") as caught:
        mined(tmp_path, good_tables())
    assert caught.value.table == "impressions"


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("city: {kind: id, column: city}\n  context: [device]", "no feature reads 'device'"),
        ("q: {kind: text, column: query}\n  context: [query]", "'query' is what the log knows of every search"),
        (
            "f: {kind: sequence, parts: {a: seen, b: device}}\n  context: [device]",
            "its columns are of the context and the table of searchers",
        ),
    ],
)
def test_a_context_is_of_columns_that_features_read(features, message):
    with pytest.raises(ConfigError, match=message):
        vertical(city=features)


def changing(*rows: tuple) -> pa.Table:
    """Rows (searcher_id, seconds, city)."""
    who, seconds, cities = zip(*rows, strict=True)
    times = pa.array([at(s) for s in seconds], TIME)
    return pa.table({"searcher_id": who, "time": times, "city": pa.array(cities, pa.string())})


def test_a_searcher_is_known_as_of_the_search(tmp_path):
    searchers = changing(("u", 0, "Rome"), ("u", 301, "Oslo"), ("v", 101, "Lima"), ("u", 250, "Bath"))
    counts = mined(tmp_path, good_tables() | {"searchers": searchers}, city="city: {kind: id, column: city}")
    assert counts["searches_before_their_searcher"] == 1, "s2, of v"
    assert read_searches(tmp_path / "pairs", split="test").requests["city"].to_pylist() == ["Bath"], "s4, at 300"
    assert json.loads((tmp_path / "pairs" / "manifest.json").read_text())["counts"] == counts
    assert latest(searchers).to_pydict() == {"searcher_id": ["u", "v"], "city": ["Oslo", "Lima"]}


@pytest.mark.parametrize(
    ("time", "message"),
    [
        (pa.array([at(0), at(0)], TIME), "the key of an earlier row again: 'u'"),
        (pa.array([at(0), None], TIME), "a time is null"),
        (pa.array(["now", "then"]), "column 'time' must be timestamp"),
    ],
)
def test_the_times_of_a_searcher_are_there_and_differ(tmp_path, time, message):
    searchers = pa.table({"searcher_id": ["u", "u"], "time": time, "city": ["Rome", "Oslo"]})
    tables = good_tables() | {"searchers": searchers}
    with pytest.raises(TableError, match=message):
        mined(tmp_path, tables, city="city: {kind: id, column: city}")


moments = st.lists(st.tuples(st.sampled_from("uvw"), st.integers(0, 20)), max_size=20, unique=True)


@given(moments, st.lists(st.tuples(st.sampled_from(["u", "v", "w", None]), st.integers(0, 20)), max_size=20))
def test_the_row_of_a_searcher_is_the_last_one_not_after_the_search(rows, asked):
    rows = [("u", 5), *rows] if ("u", 5) not in rows else rows
    asked = [(who, t) for who, t in asked if who is None or any(who == other for other, _ in rows)]
    searchers = changing(*((who, t, f"{who} {t}") for who, t in rows))
    searches = pa.table(
        {
            "query": pa.array([""] * len(asked)),
            "searcher_id": pa.array([who for who, _ in asked], pa.string()),
            "search_id": pa.array([str(i) for i in range(len(asked))]),
            "time": pa.array([at(t) for _, t in asked], TIME),
        }
    )
    found = request_table(searches, RequestTables(searchers))["city"].to_pylist()
    for (who, t), city in zip(asked, found, strict=True):
        before = [since for other, since in rows if other == who and since <= t]
        assert city == (f"{who} {max(before)}" if before else None)
    assert np.all(latest(searchers)["searcher_id"].to_pylist() == sorted({who for who, _ in rows}))
