"""Pairs against a slow oracle in plain Python, on small random logs: positives, hard positives, non-clicks, splits."""

import datetime
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs_world import START, activity, at, documents, good_tables, impressions, vertical, write_logs

from alicorn.errors import ConfigError, TableError
from alicorn.logs import mine
from alicorn.logs.likeness import likeness
from alicorn.vertical import FailedSearchRules
from alicorn.vertical.failed_searches import FACTS
from alicorn.vertical.parts import of_examples

WINDOW_S = 100  # of logs_world.vertical
VALID_FROM, TEST_FROM = at(400), at(700)
BY_TIMES = "{valid_from: 2026-01-01T00:06:40, test_from: 2026-01-01T00:11:40}"

shown_rows = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(1, 9), st.booleans()),
    max_size=5,
)
search = st.tuples(st.sampled_from(["u", "v", None]), st.integers(0, 999), shown_rows)
acts = st.lists(st.tuples(st.sampled_from("uv"), st.integers(0, 1100), st.sampled_from("abcd")), max_size=30)


def tables_of(searches, acts) -> dict[str, pa.Table]:
    """Log tables of random searches, one more added to each split so that none is empty."""
    searches = [*searches, (None, 0, [("a", 1, True)]), (None, 400, [("a", 1, True)]), (None, 999, [("b", 1, True)])]
    rows = []
    for i, (who, t, shown) in enumerate(searches):
        rows += [(f"s{i}", who, t, doc, position, clicked) for doc, position, clicked in shown or [(None, None, False)]]
    tables = {
        "documents": documents(),
        "searchers": pa.table({"searcher_id": ["u", "v"], "city": ["Rome", None]}),
        "impressions": impressions(*rows),
    }
    return tables | ({"activity": activity(*acts)} if acts else {})


def split_of(time: datetime.datetime) -> str:
    return "train" if time < VALID_FROM else "valid" if time < TEST_FROM else "test"


def oracle(tables: dict[str, pa.Table]) -> dict[str, set]:
    """What mine should write, as sets of (search_id, doc_id, source, split), by loops."""
    searches: dict[str, list[dict]] = {}
    for row in tables["impressions"].to_pylist():
        searches.setdefault(row["search_id"], []).append(row)
    acts = tables["activity"].to_pylist() if "activity" in tables else []
    found: dict[str, set] = {name: set() for name in ("pairs", "impressions", "non_clicks", "late", "facts")}
    for search_id, rows in searches.items():
        time, who = rows[0]["time"], rows[0]["searcher_id"]
        split = split_of(time)
        shown = {row["doc_id"] for row in rows if row["doc_id"]}
        clicked = {row["doc_id"] for row in rows if row["clicked"]}
        found["impressions"] |= {(search_id, doc, "impression", split) for doc in shown}
        found["pairs"] |= {(search_id, doc, "click", split) for doc in clicked}
        if clicked:
            found["non_clicks"] |= {(search_id, doc, "non_click", split) for doc in shown - clicked}
            continue
        after = [act for act in acts if act["searcher_id"] == who and who and in_window(act["time"], time)]
        first = {doc: min(act["time"] for act in after if act["doc_id"] == doc) for doc in {a["doc_id"] for a in after}}
        for doc, reached in first.items():
            late = split_of(reached) != split
            found["late" if late else "pairs"].add((search_id, doc) if late else (search_id, doc, "hard", split))
            if not late:
                rank = 1 + sum(other < reached for other in first.values())
                visits = sum(act["time"] < time for act in acts if (act["searcher_id"], act["doc_id"]) == (who, doc))
                found["facts"].add((search_id, doc, (reached - time).total_seconds(), rank, visits))
    return found


def in_window(reached: datetime.datetime, time: datetime.datetime) -> bool:
    return time <= reached <= time + datetime.timedelta(seconds=WINDOW_S)


def written(folder, name: str) -> list[dict]:
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(search, max_size=30), acts)
def test_pairs_are_those_of_the_slow_oracle(tmp_path_factory, searches, acts):
    folder = tmp_path_factory.mktemp("logs")
    tables = tables_of(searches, acts)
    counts = mine(write_logs(folder / "logs", tables), vertical(split=BY_TIMES), folder / "pairs")
    expected = oracle(tables)
    for name in ("pairs", "impressions", "non_clicks"):
        rows = written(folder / "pairs", name)
        keys = [(row["search_id"], row["doc_id"], row["source"], row["split"]) for row in rows]
        assert len(keys) == len(set(keys)) == counts[name]
        assert set(keys) == expected[name]
    assert counts["reached_after_their_split"] == len(expected["late"])
    hard = [row for row in written(folder / "pairs", "pairs") if row["source"] == "hard"]
    names = ("search_id", "doc_id", "reached_after_s", "reached_rank", "earlier_visits")
    assert {tuple(row[name] for name in names) for row in hard} == expected["facts"]
    first = {(search_id, doc) for search_id, doc, _, rank, _ in expected["facts"] if rank == 1}
    chosen = {pair for pair in expected["pairs"] if pair[2] == "click" or pair[:2] in first}
    check_searches(written(folder / "pairs", "searches"), chosen)
    check_popularity(written(folder / "pairs", "popularity"), expected["pairs"])
    total = sum(counts[f"searches_{split}"] for split in ("train", "valid", "test"))
    assert total == counts["searches"] == len(set(tables["impressions"]["search_id"].to_pylist()))


def check_searches(rows: list[dict], pairs: set) -> None:
    """Held-out searches have as targets exactly what was clicked or, by the vertical's default rules, reached first."""
    targets: dict[tuple, set] = {}
    for search_id, doc, _, split in pairs:
        if split != "train":
            targets.setdefault((search_id, split), set()).add(doc)
    assert {(row["search_id"], row["split"]): set(row["targets"]) for row in rows} == targets
    assert all(len(row["targets"]) == len(set(row["targets"])) for row in rows)


def check_popularity(rows: list[dict], pairs: set) -> None:
    clicks = dict.fromkeys("abcd", 0)
    for _, doc, source, split in pairs:
        clicks[doc] += source == "click" and split == "train"
    assert {row["doc_id"]: row["clicks"] for row in rows} == clicks


def test_the_files_have_the_columns_of_the_contract(tmp_path):
    mine(write_logs(tmp_path / "logs", good_tables()), vertical(), tmp_path / "pairs")
    pair = {
        "search_id": pa.string(),
        "searcher_id": pa.string(),
        "time": pa.timestamp("us"),
        "query": pa.string(),
        "doc_id": pa.string(),
        "source": pa.string(),
        "split": pa.string(),
    }
    strings, numbers = pa.list_(pa.string()), pa.list_(pa.float64())
    counted = {"grade": pa.float64(), "weight": pa.float64()}
    held_out = {name: pair[name] for name in ("search_id", "searcher_id", "time", "query")}
    contract = {
        "pairs": pair | FACTS | counted,
        "impressions": pair | counted | {"position": pa.int64()},
        "non_clicks": pair,
        "searches": held_out | {"targets": strings, "grades": numbers, "segment": strings, "split": pa.string()},
        "popularity": {"doc_id": pa.string(), "clicks": pa.int64()},
    }
    for name, columns in contract.items():
        schema = pq.read_table(tmp_path / "pairs" / f"{name}.parquet").schema
        assert {field.name: field.type for field in schema} == columns


def test_a_small_log_gives_what_one_reads_off_it(tmp_path):
    tables = good_tables()
    counts = mine(write_logs(tmp_path / "logs", tables), vertical(), tmp_path / "pairs")
    pairs = [
        (row["search_id"], row["doc_id"], row["source"], row["split"]) for row in written(tmp_path / "pairs", "pairs")
    ]
    assert pairs == [
        ("s1", "a", "click", "train"),
        ("s2", "c", "hard", "train"),
        ("s3", "c", "click", "valid"),
        ("s4", "d", "hard", "test"),
    ]
    held_out = written(tmp_path / "pairs", "searches")
    assert held_out[0] == {
        "search_id": "s3",
        "searcher_id": None,
        "time": at(200),
        "query": "q s3",
        "targets": ["c"],
        "grades": [1.0],
        "segment": ["exact"],
        "split": "valid",
    }
    assert (held_out[1]["targets"], held_out[1]["segment"]) == (["d"], [])
    assert counts["searches_without_click"] == 2
    assert counts["searches_showing_nothing"] == 1
    assert pq.read_table(tmp_path / "pairs" / "documents.parquet") == tables["documents"]
    manifest = json.loads((tmp_path / "pairs" / "manifest.json").read_text())
    assert manifest["counts"] == counts
    assert manifest["vertical"] == of_examples(vertical())
    assert manifest["valid_from"] == at(200).isoformat()


def test_rules_of_the_vertical_choose_the_targets_of_failed_searches(tmp_path):
    """Somebody who is visited all the time is no answer, nor is whom the query does not resemble."""
    impressions_ = impressions(
        ("s0", "u", 0, "a", 1, True),
        *[(f"s{i}", "u", 100 * i, "b", 1, False) for i in (1, 2)],
        ("s9", "u", 900, "a", 1, True),
    )
    tables = good_tables() | {
        "impressions": impressions_,
        "activity": activity(("u", 20, "c"), ("u", 110, "c"), ("u", 120, "d"), ("u", 240, "d")),
    }
    del tables["segments"]
    logs = write_logs(tmp_path / "logs", tables)
    split = "{valid_from: 2026-01-01T00:01:00, test_from: 2026-01-01T00:10:00}"

    def targets(name: str, **rules) -> dict[str, list[str]]:
        given = vertical(split=split).model_copy(update={"failed_search_targets": FailedSearchRules(**rules)})
        mine(logs, given, tmp_path / name)
        rows = written(tmp_path / name, "searches")
        return {row["search_id"]: row["targets"] for row in rows if row["search_id"] in ("s1", "s2")}

    assert targets("first") == {"s1": ["c"], "s2": ["d"]}
    assert targets("all", first=False) == {"s1": ["c", "d"], "s2": ["d"]}
    assert targets("soon", window_s=30) == {"s1": ["c"]}
    assert targets("new", first=False, max_earlier_visits=0) == {"s1": ["d"]}
    assert targets("like", first=False, min_likeness=1.0) == {}


def test_likeness_is_the_share_of_the_querys_trigrams():
    texts = pa.table({"doc_id": ["a", "b"], "name": ["John Smith", None], "other": [["Jo", "Hn"], ["John"]]})
    queries = pa.chunked_array([["john", "JOHN", "jon", "", "x"]])
    found = likeness(queries, pa.chunked_array([["a", "b", "a", "a", "b"]]), texts)
    assert found.tolist() == pytest.approx([1.0, 1.0, 1 / 3, 0.0, 0.0])  # of <jo jon on> the first


def test_targets_are_in_the_order_shown(tmp_path):
    rows = [
        ("s0", "u", 0, "a", 1, True),
        *[("s1", "u", 9, doc, position, True) for doc, position in zip("abc", (3, 1, 2), strict=True)],
    ]
    tables = good_tables() | {"impressions": impressions(*rows)}
    del tables["segments"]
    mine(write_logs(tmp_path / "logs", tables), vertical(split="{valid: 0.5}"), tmp_path / "pairs")
    assert written(tmp_path / "pairs", "searches")[0]["targets"] == ["b", "c", "a"]


def test_a_document_shown_twice_in_a_search_is_one_pair_and_counted(tmp_path):
    rows = [("s0", "u", 0, "a", 1, False), ("s0", "u", 0, "a", 2, True), ("s1", "u", 9, "b", 1, True)]
    tables = good_tables() | {"impressions": impressions(*rows)}
    del tables["segments"]
    counts = mine(write_logs(tmp_path / "logs", tables), vertical(split="{valid: 0.5}"), tmp_path / "pairs")
    assert counts["impressions_repeated_in_a_search"] == 1
    assert (counts["impressions"], counts["pairs"], counts["non_clicks"]) == (2, 2, 0)


def test_the_same_logs_give_the_same_files(tmp_path):
    logs = write_logs(tmp_path / "logs", good_tables())
    for out in ("one", "two"):
        mine(logs, vertical(), tmp_path / out)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(names) == 8
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_part_files_of_documents_become_one(tmp_path):
    tables = good_tables()
    rows = tables.pop("documents")
    write_logs(tmp_path / "logs", tables)
    (tmp_path / "logs" / "documents").mkdir()
    pq.write_table(rows.slice(0, 1), tmp_path / "logs" / "documents" / "0.parquet")
    other_order = rows.slice(1).select(["social", "doc_id", "name"])
    pq.write_table(other_order, tmp_path / "logs" / "documents" / "1.parquet")
    mine(tmp_path / "logs", vertical(), tmp_path / "pairs")
    assert pq.read_table(tmp_path / "pairs" / "documents.parquet") == rows


def test_refused_logs_leave_nothing_behind(tmp_path):
    tables = good_tables() | {"documents": documents("abc").slice(0, 1)}
    with pytest.raises(TableError):
        mine(write_logs(tmp_path / "logs", tables), vertical(), tmp_path / "pairs")
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_searches_of_one_moment_stay_in_one_split(tmp_path):
    rows = [(f"s{i}", "u", t, "a", 1, True) for i, t in enumerate([0, 1, 2, 2, 2, 2, 3, 3])]
    tables = good_tables() | {"impressions": impressions(*rows)}
    del tables["segments"]
    counts = mine(
        write_logs(tmp_path / "logs", tables), vertical(split="{valid: 0.25, test: 0.25}"), tmp_path / "pairs"
    )
    assert [counts[f"searches_{split}"] for split in ("train", "valid", "test")] == [2, 4, 2]


def test_a_folder_that_is_not_empty_is_kept(tmp_path):
    logs = write_logs(tmp_path / "logs", good_tables())
    out = tmp_path / "pairs"
    mine(logs, vertical(), out)
    (out / "note.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists and is not empty"):
        mine(logs, vertical(), out)
    assert (out / "note.txt").exists()
    mine(logs, vertical(), out, overwrite=True)
    assert not (out / "note.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "pairs"]


def test_a_folder_of_something_else_is_not_overwritten(tmp_path):
    logs = write_logs(tmp_path / "logs", good_tables())
    with pytest.raises(ConfigError, match="it holds something else, and is not overwritten"):
        mine(logs, vertical(), logs, overwrite=True)
    assert (logs / "documents.parquet").exists()


def test_a_change_of_the_data_changes_its_fingerprint(tmp_path):
    prints = []
    for name, rows in (
        ("a", good_tables()),
        ("b", good_tables()),
        ("c", good_tables() | {"documents": documents("abcde")}),
    ):
        mine(write_logs(tmp_path / name, rows), vertical(), tmp_path / f"pairs-{name}")
        prints.append(json.loads((tmp_path / f"pairs-{name}" / "manifest.json").read_text())["data_fingerprint"])
    assert prints[0] == prints[1] != prints[2]


def test_steps_are_told(tmp_path):
    steps: list[str] = []
    mine(write_logs(tmp_path / "logs", good_tables()), vertical(), tmp_path / "pairs", on_step=steps.append)
    assert steps[0] == "check the logs"
    assert len(steps) >= 4


def test_times_before_1970_and_empty_queries_are_fine(tmp_path):
    tables = good_tables()
    old = tables["impressions"].to_pylist()
    for row in old:
        row["time"] = row["time"] - (START - datetime.datetime(1950, 1, 1))
        row["query"] = ""
    tables["impressions"] = pa.Table.from_pylist(old, tables["impressions"].schema)
    counts = mine(write_logs(tmp_path / "logs", tables), vertical(), tmp_path / "pairs")
    assert counts["pairs_click_train"] == 1
