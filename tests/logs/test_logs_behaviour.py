"""What a searcher had done before each search, against loops over the log; nothing at or after the search is in it."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs_world import activity, at, documents, good_tables, impressions, vertical, write_logs

from alicorn.errors import TableError
from alicorn.evaluation.searches import read_searches
from alicorn.logs import mine
from alicorn.retrieval.searchers import Searchers
from alicorn.training.examples.data import Pairs
from alicorn.vertical import Behaviour, Vertical
from alicorn.vertical.behaviour import Window

DAY_S = 86_400
BRANDS = {"a": "north", "b": "south", "c": None, "d": "north"}
WINDOWS = {
    "realtime": Window(days=50 / DAY_S, newest=2),
    "short": Window(days=200 / DAY_S, newest=3),
    "long": Window(newest=4),
}
BEHAVIOUR = Behaviour(kinds=("click", "visited"), attributes=("brand",), windows=WINDOWS, past_queries=3)
BY_TIMES = "{valid_from: 2026-01-01T00:06:40, test_from: 2026-01-01T00:11:40}"


def with_behaviour(behaviour: Behaviour = BEHAVIOUR, split: str = BY_TIMES) -> Vertical:
    """The vertical of logs_world, which also reads what its searchers did."""
    base = vertical(split=split)
    features = {
        "latest": {"kind": "sequence", "parts": {"item": "realtime_item", "brand": "realtime_brand"}},
        "before": {"kind": "sequence", "parts": {"item": "long_item"}},
    }
    request = {
        "features": {**base.request.model_dump()["features"], **features},
        "behaviour": behaviour.model_dump(),
    }
    return Vertical.model_validate(base.model_dump(exclude={"request"}) | {"request": request})


def tables_of(searches, acts) -> dict[str, pa.Table]:
    """Log tables of searches (who, seconds, clicked documents) and acts; three more fill every split."""
    searches = [*searches, ("u", 0, "a"), ("u", 400, "b"), ("v", 999, "d")]
    rows = []
    for i, (who, t, clicked) in enumerate(searches):
        shown = [(doc, place + 1, True) for place, doc in enumerate(dict.fromkeys(clicked))] or [("d", 1, False)]
        rows += [(f"s{i:03}", who, t, *one) for one in shown]
    docs = documents().append_column("brand", pa.array([BRANDS[i] for i in "abcd"], pa.string()))
    return {
        "documents": docs,
        "searchers": pa.table({"searcher_id": ["u", "v", "w"], "city": ["Rome", None, "Oslo"]}),
        "impressions": impressions(*rows),
        "activity": activity(*acts, ("v", 1, "c")),
    }


def oracle(tables: dict[str, pa.Table], who: str | None, time: datetime.datetime) -> dict[str, list]:
    """The columns of BEHAVIOUR for one search, by loops."""
    events = [
        (row["time"], row["doc_id"], row.get("kind", "click"))
        for name in ("impressions", "activity")
        for row in tables[name].to_pylist()
        if row["searcher_id"] == who and who and row["time"] < time and row.get("clicked", True)
    ]
    events.sort()
    found: dict[str, list] = {}
    for name, window in BEHAVIOUR.windows.items():
        old = datetime.timedelta(days=window.days or 1000)
        taken = [event for event in events if time - event[0] <= old][-window.newest :]
        events = events[: len(events) - len(taken)]
        found[f"{name}_item"] = [doc for _, doc, _ in taken]
        found[f"{name}_kind"] = [kind for _, _, kind in taken]
        found[f"{name}_brand"] = [BRANDS[doc] for _, doc, _ in taken]
        found[f"{name}_age_days"] = [(time - t).total_seconds() / DAY_S for t, _, _ in taken]
    asked = {
        (row["time"], row["query"]): row
        for row in tables["impressions"].to_pylist()
        if row["searcher_id"] == who and who and row["time"] < time
    }
    found["past_queries"] = [query for _, query in sorted(asked)][-3:]
    return found


def check(row: dict, expected: dict[str, list]) -> None:
    for name, values in expected.items():
        assert row[name] == (pytest.approx(values, abs=1e-6) if name.endswith("age_days") else values), name


search = st.tuples(st.sampled_from(["u", "v", None]), st.integers(0, 999), st.text("abcd", max_size=3))
act = st.tuples(st.sampled_from("uv"), st.integers(0, 999), st.sampled_from("abcd"))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(search, max_size=25), st.lists(act, max_size=40))
def test_windows_are_those_of_the_slow_oracle(tmp_path_factory, searches, acts):
    folder = tmp_path_factory.mktemp("logs")
    tables = tables_of(searches, acts)
    mine(write_logs(folder / "logs", tables), with_behaviour(), folder / "pairs")
    times = {row["search_id"]: (row["searcher_id"], row["time"]) for row in tables["impressions"].to_pylist()}
    rows = pq.read_table(folder / "pairs" / "behaviour.parquet").to_pylist()
    assert {row["search_id"] for row in rows} == times.keys()
    for row in rows:
        check(row, oracle(tables, *times[row["search_id"]]))
    for row in pq.read_table(folder / "pairs" / "searchers.parquet").to_pylist():
        end = max(time for _, time in times.values())
        end = max([end, *tables["activity"]["time"].to_pylist()]) + datetime.timedelta(microseconds=1)
        check(row, oracle(tables, row["searcher_id"], end))


def test_what_happens_later_changes_no_earlier_row(tmp_path):
    """Rows of searches until second 500 are the same, whether or not the log goes on after it."""
    rng = np.random.default_rng(0)
    searches = [("u", int(t), "abcd"[t % 4]) for t in rng.integers(0, 999, 60)]
    acts = [("u", int(t), "abcd"[t % 4]) for t in rng.integers(0, 999, 60)]
    found = {}
    for name, cut in (("whole", 2000), ("cut", 500)):
        rows = [s if s[1] <= cut else (s[0], s[1], "") for s in searches]  # later searches without a click
        tables = tables_of(rows, [a for a in acts if a[1] <= cut])
        mine(write_logs(tmp_path / name / "logs", tables), with_behaviour(), tmp_path / name / "pairs")
        early = {r["search_id"] for r in tables["impressions"].to_pylist() if r["time"] <= at(500)}
        rows = pq.read_table(tmp_path / name / "pairs" / "behaviour.parquet").to_pylist()
        found[name] = [row for row in rows if row["search_id"] in early]
    assert found["whole"] == found["cut"]
    assert sum(len(row["long_item"]) for row in found["whole"]) > 20


def test_training_and_evaluation_read_what_was_before_the_search_and_serving_the_end(tmp_path):
    tables = tables_of([], [("u", 380, "c"), ("u", 900, "d")])
    asks = with_behaviour()
    mine(write_logs(tmp_path / "logs", tables), asks, tmp_path / "pairs")
    pairs = Pairs(tmp_path / "pairs", asks)
    held_out = pq.read_table(tmp_path / "pairs" / "searches.parquet")
    requests = pairs.requests(held_out)
    evaluated = read_searches(tmp_path / "pairs", split="valid").requests
    assert held_out["search_id"].to_pylist()[0] == "s001"  # of u, second 400
    assert requests["realtime_item"][0].as_py() == evaluated["realtime_item"][0].as_py() == ["c"]
    assert requests["city"][0].as_py() == evaluated["city"][0].as_py() == "Rome"
    served = Searchers(asks, pq.read_table(tmp_path / "pairs" / "searchers.parquet")).request("x", "u")
    assert served["long_item"].to_pylist() == [["a", "c", "b"]]  # d is in the window before


def test_without_a_table_of_searchers_one_is_made(tmp_path):
    tables = tables_of([], [])
    del tables["searchers"]
    asks = with_behaviour()
    features = {name: f for name, f in asks.request.features.items() if name != "city"}
    asks = asks.model_copy(update={"request": asks.request.model_copy(update={"features": features})})
    counts = mine(write_logs(tmp_path / "logs", tables), asks, tmp_path / "pairs")
    made = pq.read_table(tmp_path / "pairs" / "searchers.parquet")
    assert made["searcher_id"].to_pylist() == ["u", "v"]
    assert counts["behaviour_events"] == 4
    assert counts["searches_with_behaviour"] == 2


def test_clicks_alone_are_behaviour_too(tmp_path):
    """Without activity, and without a kind of it among those asked for."""
    tables = tables_of([("u", 390, "bc")], [])
    clicks = with_behaviour(BEHAVIOUR.model_copy(update={"kinds": ("click",)}))
    mine(write_logs(tmp_path / "all", tables), clicks, tmp_path / "pairs")
    del tables["activity"]
    mine(write_logs(tmp_path / "logs", tables), clicks, tmp_path / "alone")
    found = [pq.read_table(tmp_path / name / "behaviour.parquet") for name in ("pairs", "alone")]
    assert found[0] == found[1]
    assert {row["search_id"]: row["realtime_item"] for row in found[0].to_pylist()}["s002"] == ["b", "c"]


def test_what_the_log_cannot_give_is_refused(tmp_path):
    tables = tables_of([], [])
    logs = write_logs(tmp_path / "logs", tables)
    bought = BEHAVIOUR.model_copy(update={"kinds": ("click", "bought")})
    with pytest.raises(TableError, match=r"no row of kind 'bought', .* by request.behaviour.kinds; kinds: click"):
        mine(logs, with_behaviour(bought), tmp_path / "pairs")
    assert not (tmp_path / "pairs").exists()
    shop = BEHAVIOUR.model_copy(update={"attributes": ("brand", "shop")})
    with pytest.raises(TableError, match=r"'shop' is missing.*request.behaviour.attributes"):
        mine(logs, with_behaviour(shop), tmp_path / "pairs")
    searchers = tables["searchers"].append_column("long_item", pa.array([["a"]] * 3))
    logs = write_logs(tmp_path / "other", tables | {"searchers": searchers})
    with pytest.raises(TableError, match=r"'long_item' is one that request.behaviour makes"):
        mine(logs, with_behaviour(), tmp_path / "pairs")


def test_a_vertical_without_behaviour_writes_none(tmp_path):
    mine(write_logs(tmp_path / "logs", good_tables()), vertical(), tmp_path / "pairs")
    assert not (tmp_path / "pairs" / "behaviour.parquet").exists()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"windows": {"a": {"days": 9, "newest": 1}, "b": {"days": 3, "newest": 1}}},
            "'b' .3 days. must not end before",
        ),
        ({"attributes": ["kind"]}, "every window has a column 'kind' of its own"),
        ({"kinds": ["click", "click"]}, "kinds: a name is given twice"),
        (
            {"windows": {"a": {"newest": 1}, "a_b": {"newest": 1}}, "attributes": ["b_item", "item_c"]},
            "would be called",
        ),
    ],
)
def test_settings_that_mean_nothing_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        Behaviour.model_validate({"kinds": ["click"], **keys})


def test_a_sequence_of_two_windows_is_refused():
    mixed = {"kind": "sequence", "parts": {"item": "realtime_item", "brand": "long_brand"}}
    request = {"features": {"mixed": mixed}, "behaviour": BEHAVIOUR.model_dump()}
    with pytest.raises(ValueError, match=r"features.mixed: its columns are of long and realtime"):
        Vertical.model_validate(vertical().model_dump(exclude={"request"}) | {"request": request})
