"""Searches, shown and events are read as the impressions and the activity that they tell of; odd ones are counted."""

import datetime
import random

import pyarrow as pa
import pytest
from logs_world import TIME, activity, at, documents, good_tables, vertical, write_logs

from alicorn.errors import TableError
from alicorn.logs import mine, read_logs

NOW = at(10_000)
EVENTS = pa.schema(
    [(name, pa.string()) for name in ("event_id", "search_id", "searcher_id", "doc_id", "action")] + [("time", TIME)]
)
CART = {"click": 1.0, "cart": 3.0}


def events(*rows: tuple) -> pa.Table:
    """Rows (event_id, search_id, searcher_id, seconds, doc_id, action)."""
    named = [
        {"event_id": i, "search_id": s, "searcher_id": who, "time": at(t), "doc_id": doc, "action": action}
        for i, s, who, t, doc, action in rows
    ]
    return pa.Table.from_pylist(named, EVENTS)


def searches(*rows: tuple) -> pa.Table:
    """Rows (search_id, searcher_id, seconds)."""
    return pa.table(
        {
            "search_id": [row[0] for row in rows],
            "searcher_id": pa.array([row[1] for row in rows], pa.string()),
            "time": pa.array([at(row[2]) for row in rows], TIME),
            "query": [f"q {row[0]}" for row in rows],
        }
    )


def shown(*rows: tuple) -> pa.Table:
    """Rows (search_id, doc_id, position)."""
    return pa.table(dict(zip(("search_id", "doc_id", "position"), zip(*rows, strict=True), strict=True)))


def full_tables() -> dict[str, pa.Table]:
    """The log of good_tables, told in full."""
    return {
        "documents": documents(),
        "searchers": good_tables()["searchers"],
        "searches": searches(("s1", "u", 0), ("s2", "v", 100), ("s3", None, 200), ("s4", "u", 300)),
        "shown": shown(("s1", "a", 1), ("s1", "b", 2), ("s2", "b", 1), ("s3", "c", 1)),
        "events": events(
            ("1", "s1", None, 5, "a", "click"),
            ("2", "s3", None, 205, "c", "click"),
            ("3", None, "v", 150, "c", "visited"),
            ("4", None, "u", 350, "d", "visited"),
        ),
        "segments": good_tables()["segments"],
    }


def read(tmp_path, tables, **changes):
    """(impressions, activity, counts) of a log."""
    changed = vertical().model_copy(update=changes)
    with read_logs(write_logs(tmp_path, tables), changed, now=NOW) as logs:
        acts = [] if logs.activity is None else logs.activity.to_pyarrow().to_pylist()
        return logs.impressions.to_pyarrow().to_pylist(), acts, logs.filled


def test_a_full_log_gives_the_pairs_of_the_simple_one(tmp_path):
    simple = mine(write_logs(tmp_path / "simple", good_tables()), vertical(), tmp_path / "a")
    full = mine(write_logs(tmp_path / "full", full_tables()), vertical(), tmp_path / "b")
    made = [name for name in simple if not name.endswith("_read")]
    assert {name: full[name] for name in made} == {name: simple[name] for name in made}
    for name in ("pairs", "impressions", "non_clicks", "searches", "popularity"):
        first, second = (pa.parquet.read_table(tmp_path / f"{folder}/{name}.parquet") for folder in "ab")
        assert first.equals(second), name


def oracle(tables, actions):
    """(impressions, activity) by loops: {(search, doc): (grade, seen)}, and a sorted list."""
    searches_ = {row["search_id"]: row for row in tables["searches"].to_pylist()}
    found = {(row["search_id"], row["doc_id"]): [0.0, False] for row in tables["shown"].to_pylist()}
    found = {key: value for key, value in found.items() if key[0] in searches_}
    acts, known, observed = [], set(), set()
    for row in tables["events"].to_pylist():
        key = row["event_id"] or tuple(row.values())
        if key in known:
            continue
        known.add(key)
        if row["doc_id"] is None:
            continue
        on_page = found.get((row["search_id"], row["doc_id"]))
        if on_page is not None:
            grade = actions.get(row["action"], 0.0)
            on_page[0] = max(on_page[0], grade)
            on_page[1] |= row["action"] == "seen" or grade > 0
            observed |= {row["search_id"]} if row["action"] == "seen" else set()
        who = row["searcher_id"] or searches_.get(row["search_id"], {}).get("searcher_id")
        if who and row["action"] != "seen" and (row["action"] != "click" or on_page is None):
            acts.append((who, row["time"], row["doc_id"], row["action"]))
    unknown = {(s, d): seen or (False if s in observed else None) for (s, d), (_, seen) in found.items()}
    return {key: (grade, unknown[key]) for key, (grade, _) in found.items()}, sorted(acts)


@pytest.mark.parametrize("seed", range(3))
def test_what_a_full_log_tells_is_what_loops_find(tmp_path, seed):
    rng = random.Random(seed)
    names = [f"s{number}" for number in range(12)]
    pages = {(rng.choice([*names, "gone"]), rng.choice("abcd")) for _ in range(30)}
    rows = [
        (
            rng.choice([None, str(rng.randrange(60))]),
            rng.choice([None, "never", *names]),
            rng.choice([None, None, "u", "v"]),
            rng.randrange(20_000),
            rng.choice([*"abcd", None]),
            rng.choice(["click", "cart", "seen", "bought"]),
        )
        for _ in range(150)
    ]
    rows += rng.sample(rows, 20)  # sent again
    tables = {
        "documents": documents(),
        "searchers": good_tables()["searchers"],
        "searches": searches(*((name, rng.choice([None, "u", "v"]), rng.randrange(9_000)) for name in names)),
        "shown": shown(*((s, doc, place) for place, (s, doc) in enumerate(sorted(pages), start=1))),
        "events": events(*rows),
    }
    impressions, acts, _ = read(tmp_path, tables, actions=CART)
    expected, expected_acts = oracle(tables, CART)
    pages = {(row["search_id"], row["doc_id"]): (row["grade"], row["seen"]) for row in impressions if row["doc_id"]}
    assert pages == expected
    assert {row["search_id"] for row in impressions} == set(names)
    assert sorted((row["searcher_id"], row["time"], row["doc_id"], row["kind"]) for row in acts) == expected_acts


def test_the_grade_of_a_document_is_the_greatest_weight_of_what_was_done(tmp_path):
    tables = full_tables()
    tables["events"] = events(
        ("1", "s1", None, 5, "b", "click"), ("2", "s1", None, 9, "b", "cart"), ("3", "s2", None, 101, "b", "view")
    )
    impressions, acts, _ = read(tmp_path, tables, actions=CART)
    assert {(row["search_id"], row["doc_id"]): row["grade"] for row in impressions} == {
        ("s1", "a"): 0.0,
        ("s1", "b"): 3.0,
        ("s2", "b"): 0.0,
        ("s3", "c"): 0.0,
        ("s4", None): 0.0,
    }
    assert [(row["searcher_id"], row["kind"]) for row in acts] == [("u", "cart"), ("v", "view")]


def test_what_was_shown_but_not_seen_is_no_negative(tmp_path):
    tables = full_tables()
    tables["shown"] = shown(("s1", "a", 1), ("s1", "b", 2), ("s1", "c", 3), ("s3", "c", 1), ("s3", "d", 2))
    seen = [("7", "s1", None, 1, doc, "seen") for doc in "ab"]
    tables["events"] = pa.concat_tables([tables["events"], events(*seen)])
    mine(write_logs(tmp_path / "logs", tables), vertical(), tmp_path / "pairs")
    rows = pa.parquet.read_table(tmp_path / "pairs" / "non_clicks.parquet").to_pylist()
    assert [(row["search_id"], row["doc_id"]) for row in rows] == [("s3", "d")]


ODD = {
    "events_repeated": (("1", "s1", None, 6, "a", "click"), ("1", "s1", None, 7, "a", "click")),
    "events_of_unknown_searches": (("8", "s9", "u", 6, "a", "click"),),
    "events_of_documents_not_shown": (("8", "s1", None, 6, "d", "click"),),
    "events_before_their_search": (("8", "s2", None, 90, "b", "click"),),
    "events_from_the_future": (("8", "s1", None, 10_001, "b", "click"),),
    "events_without_document": (("8", "s1", None, 6, None, "scroll"),),
    "events_of_nobody": (("8", None, None, 6, "a", "visited"),),
}


@pytest.mark.parametrize("what", ODD)
def test_odd_events_are_counted_and_noted_and_nothing_else_changes(tmp_path, what, caplog):
    tables = full_tables()
    tables["events"] = pa.concat_tables([tables["events"], events(*ODD[what])])
    with caplog.at_level("INFO", "alicorn.tables"):
        impressions, acts, counts = read(tmp_path, tables)
    assert counts == {what: len(ODD[what])}
    assert f"the log has {len(ODD[what])} events " in caplog.text
    kept = {(row["search_id"], row["doc_id"]) for row in impressions if row["clicked"]}
    assert kept >= {("s1", "a"), ("s3", "c")}
    more = {"events_of_unknown_searches", "events_of_documents_not_shown"}
    assert len(acts) == (3 if what in more else 2)


def test_rows_shown_of_an_unknown_search_are_left_out_and_counted(tmp_path):
    tables = full_tables()
    tables["shown"] = pa.concat_tables([tables["shown"], shown(("gone", "a", 1))])
    impressions, _, counts = read(tmp_path, tables)
    assert counts == {"shown_of_unknown_searches": 1}
    assert len(impressions) == 5


def test_activity_may_be_there_beside_events(tmp_path):
    tables = full_tables() | {"activity": activity(("u", 7, "b"))}
    _, acts, _ = read(tmp_path, tables)
    assert sorted((row["searcher_id"], row["doc_id"]) for row in acts) == [("u", "b"), ("u", "d"), ("v", "c")]


def test_both_ways_at_once_are_refused(tmp_path):
    with pytest.raises(TableError, match=r"has both impressions and searches, .* Keep one of them"):
        read(tmp_path, full_tables() | {"impressions": good_tables()["impressions"]})


@pytest.mark.parametrize(
    ("table", "column", "values", "problem"),
    [
        ("searches", "search_id", ["s1", "s3", "s3", "s4"], "the key of an earlier row again: 's3'"),
        ("searches", "query", ["q", None, "q", "q"], "a query is null"),
        ("searches", "searcher_id", ["u", "x", None, "u"], "not found in table searchers: 'x'"),
        ("searches", "total", ["1", "2", "3", "4"], "must be integer"),
        ("shown", "doc_id", ["a", "b", None, "c"], "a key is null"),
        ("shown", "doc_id", ["a", "b", "z", "c"], "not found in table documents: 'z'"),
        ("shown", "position", [1, 2, 0, 1], "positions count from 1"),
        ("events", "action", ["click", None, "click", "click"], "an action is null"),
        ("events", "time", [datetime.datetime(2026, 1, 1), None, None, None], "a time is null"),
        ("segments", "search_id", ["s1", "s9"], "not found in table searches: 's9'"),
    ],
)
def test_a_broken_promise_of_a_full_log_names_table_column_and_row(tmp_path, table, column, values, problem):
    tables = full_tables()
    at_ = tables[table].schema.get_field_index(column)
    made = pa.array(values) if at_ < 0 else pa.array(values, tables[table].schema.field(at_).type)
    added = tables[table].append_column(column, made) if at_ < 0 else tables[table].set_column(at_, column, made)
    with pytest.raises(TableError, match=f"table {table}") as caught:
        read(tmp_path, tables | {table: added})
    assert caught.value.column == column
    assert problem in str(caught.value)
