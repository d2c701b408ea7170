"""Records of UBI and of Metarank become searches, shown and events; out of UBI and back again nothing is lost."""

import datetime
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.errors import AlicornError, ConfigError, TableError
from alicorn.logs.formats import export_ubi, import_log, ubi

QUERY = {
    "application": "shop",
    "query_id": "q1",
    "client_id": "c7",
    "user_query": "tv",
    "query_attributes": {"experiment": "e1", "page": 2, "arm": 3},
    "object_id_field": "ean",
    "timestamp": "2026-01-02T03:04:05.678Z",
    "query_response_id": "r1",
    "query_response_hit_ids": ["b", "a", "b"],
}
EVENT = {
    "application": "shop",
    "action_name": "add_to_cart",
    "query_id": "q1",
    "session_id": "v1",
    "client_id": "c7",
    "user_id": "u7",
    "timestamp": "2026-01-02T03:05:00.000Z",
    "message_type": "CONVERSION",
    "message": "in the cart",
    "event_attributes": {
        "object": {"object_id": "a", "object_id_field": "ean", "internal_id": "9"},
        "position": {"ordinal": 2},
        "cost": 9.5,
    },
}


def lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def read(folder, name):
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def round_trip(folder, records):
    """What comes out of the tables of these records, sorted like them."""
    import_log([lines(folder / "in.ndjson", records)], folder / "logs", "ubi")
    export_ubi(folder / "logs", folder / "out")
    written = b"".join(path.read_bytes() for path in sorted((folder / "out").iterdir()))
    return sorted(map(json.loads, written.splitlines()), key=canonical)


def canonical(record):
    return json.dumps(record, sort_keys=True)


def test_a_query_is_a_search_with_what_it_showed(tmp_path):
    counts = import_log([lines(tmp_path / "q", [QUERY])], tmp_path / "logs", "ubi")
    assert counts == {"searches": 1, "shown": 3, "events": 0}
    (row,) = read(tmp_path / "logs", "searches")
    found = {name: row[name] for name in ("search_id", "searcher_id", "query", "experiment", "arm")}
    assert found == {"search_id": "q1", "searcher_id": "c7", "query": "tv", "experiment": "e1", "arm": None}
    assert json.loads(row["attributes"])["query_attributes"] == {"page": 2, "arm": 3}
    assert [(r["doc_id"], r["position"]) for r in read(tmp_path / "logs", "shown")] == [("b", 1), ("a", 2), ("b", 3)]


def test_a_query_that_comes_twice_is_one_search(tmp_path):
    again = QUERY | {"query_response_hit_ids": ["z"]}
    counts = import_log([lines(tmp_path / "q.ndjson", [QUERY, again, QUERY])], tmp_path / "logs", "ubi")
    assert (counts["searches"], counts["shown"], counts["passed_searches_repeated"]) == (1, 3, 2)
    assert [row["doc_id"] for row in read(tmp_path / "logs", "shown")] == ["b", "a", "b"]


def test_what_a_ranker_read_is_not_exported():
    row = {"search_id": "q1", "searcher_id": None, "query": "tv", "time": datetime.datetime(2026, 1, 2), "arm": "b"}
    record = ubi.query_of(row | {"known": "{}", "vectors": [("people", [0.5])]}, [])
    assert record["query_attributes"] == {"arm": "b"}


def test_an_event_is_an_event(tmp_path):
    import_log([lines(tmp_path / "e", [EVENT, EVENT | {"action_name": "impression"}])], tmp_path / "logs", "ubi")
    row, seen = read(tmp_path / "logs", "events")
    found = [row[name] for name in ("action", "search_id", "session_id", "searcher_id", "doc_id", "position", "value")]
    assert found == ["add_to_cart", "q1", "v1", "c7", "a", 2, None]
    assert row["time"].isoformat() == "2026-01-02T03:05:00"
    assert seen["action"] == "seen"


def test_the_records_of_the_standard_come_out_as_they_went_in(tmp_path):
    records = [QUERY, EVENT, EVENT | {"action_name": "impression"}]
    assert round_trip(tmp_path, records) == sorted(records, key=canonical)


TEXTS = st.text(max_size=8).filter(lambda text: "\x00" not in text)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
TIMES = st.sampled_from(["1767323045678", "2026-01-02T03:04:05.678Z", "2026-01-02 03:04+09:00", "2026-01-02", 1_767, 0])


def records(needed, optional):
    return st.fixed_dictionaries(needed, optional={name: strategy | VALUES for name, strategy in optional.items()})


QUERIES = records(
    {"query_id": TEXTS, "user_query": TEXTS, "timestamp": TIMES},
    {
        "client_id": TEXTS,
        "query_attributes": records(
            {}, dict.fromkeys(("session_id", "arm", "mode", "positions", "total", "other"), TEXTS)
        ),
        "query_response_hit_ids": st.lists(TEXTS, max_size=3),
        "something": VALUES,
    },
)
EVENTS = records(
    {"action_name": TEXTS | st.sampled_from(["impression", "seen", "click"]), "timestamp": TIMES},
    {
        "query_id": TEXTS,
        "session_id": TEXTS,
        "client_id": TEXTS,
        "user_id": TEXTS,
        "event_attributes": records(
            {},
            {
                "object": records({}, {"object_id": TEXTS, "internal_id": TEXTS}),
                "position": records({}, {"ordinal": st.integers(1, 9), "xy": VALUES}),
                "event_id": TEXTS,
                "value": st.floats(0, 9),
            },
        ),
    },
)


@given(QUERIES)
@settings(max_examples=150, deadline=None)
def test_no_query_loses_anything(record):
    assert canonical(ubi.query_of(*ubi.search_of(record))) == canonical(record)


@given(EVENTS)
@settings(max_examples=150, deadline=None)
def test_no_event_loses_anything(record):
    assert canonical(ubi.record_of(ubi.event_of(record))) == canonical(record)


@pytest.mark.slow
def test_a_hundred_thousand_records_come_out_as_they_went_in(tmp_path):
    made = [
        event
        for number in range(25_000)
        for event in (
            QUERY | {"query_id": f"q{number}", "query_response_hit_ids": [f"d{number % 7}", f"d{number % 11}"]},
            *(
                EVENT | {"query_id": f"q{number}", "message": f"{number} {action}", "action_name": action}
                for action in ("impression", "click", "purchase")
            ),
        )
    ]
    assert round_trip(tmp_path, made) == sorted(made, key=canonical)


METARANK = [
    {"event": "item", "id": "1", "item": "a", "timestamp": "1599391467000", "fields": []},
    {
        "event": "ranking",
        "id": "r1",
        "timestamp": 1_599_391_467_000,
        "user": "u1",
        "session": "v1",
        "fields": [{"name": "query", "value": "cat"}],
        "items": [{"id": "b", "relevancy": 2.0}, {"id": "a"}],
    },
    {
        "event": "interaction",
        "id": "i1",
        "ranking": "r1",
        "timestamp": "1599391467001",
        "user": "u1",
        "session": "v1",
        "type": "purchase",
        "item": "a",
    },
]


def test_rankings_and_interactions_of_metarank_are_read(tmp_path):
    counts = import_log([lines(tmp_path / "e", METARANK)], tmp_path / "logs", "metarank")
    assert counts == {"searches": 1, "shown": 2, "events": 1, "passed_item": 1}
    (search,), (event,) = read(tmp_path / "logs", "searches"), read(tmp_path / "logs", "events")
    assert (search["search_id"], search["query"], search["searcher_id"]) == ("r1", "cat", "u1")
    assert [row["doc_id"] for row in read(tmp_path / "logs", "shown")] == ["b", "a"]
    assert (event["event_id"], event["search_id"], event["action"], event["doc_id"]) == ("i1", "r1", "purchase", "a")
    assert event["time"].isoformat() == "2020-09-06T11:24:27.001000"


@pytest.mark.parametrize(
    ("record", "log_format", "problem"),
    [
        (QUERY | {"user_query": None}, "ubi", "line 2: user_query must be a string, got null"),
        (QUERY | {"query_id": 7}, "ubi", "line 2: query_id must be a string, got 7"),
        (EVENT | {"timestamp": "noon"}, "ubi", 'line 2: timestamp must be ISO 8601 .* got "noon"'),
        ([1], "ubi", "line 2: expected an object"),
        ({"event": "click"}, "metarank", "line 2: event must be ranking, interaction, item or user, got 'click'"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_nothing_is_left(tmp_path, record, log_format, problem):
    first = QUERY if log_format == "ubi" else METARANK[1]
    with pytest.raises(TableError, match=problem):
        import_log([lines(tmp_path / "e", [first, record])], tmp_path / "logs", log_format)
    assert list((tmp_path / "logs").iterdir()) == []


def test_what_is_there_is_not_written_over_and_a_simple_log_is_not_exported(tmp_path):
    import_log([lines(tmp_path / "e", [QUERY])], tmp_path / "logs", "ubi")
    with pytest.raises(ConfigError, match=r"searches\.parquet exists: choose another folder, or give --over"):
        import_log([tmp_path / "e"], tmp_path / "logs", "ubi")
    (tmp_path / "logs" / "documents.parquet").write_text("of the user")
    other = lines(tmp_path / "other", [QUERY | {"query_id": "another"}])
    import_log([other], tmp_path / "logs", "ubi", overwrite=True)
    assert pq.read_table(tmp_path / "logs" / "searches.parquet")["search_id"].to_pylist() == ["another"]
    assert (tmp_path / "logs" / "documents.parquet").read_text() == "of the user"
    (tmp_path / "simple").mkdir()
    with pytest.raises(AlicornError, match="UBI is written from the full log"):
        export_ubi(tmp_path / "simple", tmp_path / "out")


def test_what_json_cannot_say_is_left_out_and_a_table_that_breaks_its_contract_is_refused(tmp_path):
    time = pa.array([0], pa.timestamp("ns", "Europe/Berlin"))
    tables = {
        "searches": {"search_id": ["q"], "searcher_id": ["c"], "time": time, "query": ["tv"], "budget": [float("nan")]},
        "shown": {"search_id": ["q"], "doc_id": ["a"], "position": [1]},
        "events": {
            "time": time,
            "search_id": ["q"],
            "searcher_id": ["c"],
            "doc_id": ["a"],
            "action": ["click"],
            "value": [float("inf")],
        },
    }

    def written(name, changed):
        folder = tmp_path / name
        folder.mkdir()
        for table, columns in (tables | changed).items():
            pq.write_table(pa.table(columns), folder / f"{table}.parquet")
        return folder

    export_ubi(written("logs", {}), tmp_path / "out")
    query, event = (json.loads((tmp_path / "out" / f"ubi_{name}.ndjson").read_text()) for name in ("queries", "events"))
    assert query["timestamp"] == event["timestamp"] == "1970-01-01T00:00:00.000Z"
    assert "query_attributes" not in query
    assert event["event_attributes"] == {"object": {"object_id": "a"}}
    without = {name: column for name, column in tables["searches"].items() if name != "searcher_id"}
    with pytest.raises(TableError, match="table searches: column 'searcher_id' is missing"):
        export_ubi(written("without", {"searches": without}), tmp_path / "no")
    no_time = tables["searches"] | {"time": pa.array([None], pa.timestamp("us"))}
    with pytest.raises(TableError, match="table searches, column 'time': a time is null; first bad row 0"):
        export_ubi(written("no time", {"searches": no_time}), tmp_path / "no")
    assert not (tmp_path / "no").exists()
