"""Splits by time, by hash of query or searcher, and by a column: every search in one, and any of them may be empty."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs_world import at, good_tables, impressions, vertical, write_logs

from alicorn.errors import TableError
from alicorn.logs import mine

NUM_SEARCHES = 400


def many_searches(folder: Path) -> Path:
    """Searches of 80 queries by 40 searchers, a quarter of them anonymous; columns `fold` and `market`."""
    rows = [(f"s{i}", None if i % 4 == 0 else f"u{i % 40}", i, "a", 1, True) for i in range(NUM_SEARCHES)]
    table = impressions(*rows)
    queries = [f"{'Query' if i % 2 else 'query'} {i % 80}" for i in range(NUM_SEARCHES)]
    table = table.set_column(3, "query", pa.array(queries))
    table = table.append_column("fold", pa.array([("train", "valid", "test")[i % 3] for i in range(NUM_SEARCHES)]))
    table = table.append_column("market", pa.array([("US", "CA", "UK", None)[i % 4] for i in range(NUM_SEARCHES)]))
    tables = good_tables() | {"impressions": table}
    tables["searchers"] = pa.table({"searcher_id": [f"u{i}" for i in range(40)], "city": ["Rome"] * 40})
    del tables["activity"], tables["segments"]
    return write_logs(folder, tables)


def splits_of(tmp_path: Path, split: str, name: str = "pairs") -> dict[str, dict]:
    """Search -> its row in pairs."""
    counts = mine(many_searches(tmp_path / "logs"), vertical(split=split), tmp_path / name)
    rows = pq.read_table(tmp_path / name / "pairs.parquet").to_pylist()
    assert len(rows) == NUM_SEARCHES
    for part in ("train", "valid", "test"):
        assert counts[f"searches_{part}"] == sum(row["split"] == part for row in rows)
    return {row["search_id"]: row for row in rows}


@pytest.mark.parametrize(("by", "column"), [("query", "query"), ("searcher", "searcher_id")])
def test_a_split_by_hash_keeps_all_searches_of_a_query_or_searcher_together(tmp_path, by, column):
    found = splits_of(tmp_path, f"{{by: {by}, valid: 0.2, test: 0.3}}")
    splits: dict[str, set] = {}
    for search_id, row in found.items():
        key = row[column].lower() if row[column] else search_id
        splits.setdefault(key, set()).add(row["split"])
    assert all(len(of) == 1 for of in splits.values())
    shares = {name: sum(of == {name} for of in splits.values()) / len(splits) for name in ("valid", "test")}
    assert shares == pytest.approx({"valid": 0.2, "test": 0.3}, abs=0.12)
    more = splits_of(tmp_path, f"{{by: {by}, valid: 0.4, test: 0.3}}", "more")
    for split in ("valid", "test"):
        assert {s for s in found if found[s]["split"] == split} <= {s for s in more if more[s]["split"] == split}


def test_a_column_says_the_split(tmp_path):
    found = splits_of(tmp_path, "{by: column, column: fold}")
    assert all(row["split"] == ("train", "valid", "test")[int(s[1:]) % 3] for s, row in found.items())


def test_values_of_a_column_are_held_out(tmp_path):
    found = splits_of(tmp_path, "{by: column, column: market, test: [UK, CA]}")
    assert all(row["split"] == ("train", "test", "test", "train")[int(s[1:]) % 4] for s, row in found.items())


def test_a_column_that_says_something_else_is_refused(tmp_path):
    with pytest.raises(TableError, match=r"column 'market': 'CA' \(100 searches\) is none of train, valid, test") as e:
        splits_of(tmp_path, "{by: column, column: market}")
    assert e.value.column == "market"
    with pytest.raises(TableError, match=r"column 'region' is missing \(string; split\.column\)"):
        splits_of(tmp_path, "{by: column, column: region}")


def test_the_rows_of_a_search_agree_on_its_split(tmp_path):
    table = impressions(("s1", "u", 0, "a", 1, True), ("s1", "u", 0, "b", 2, False))
    tables = good_tables() | {"impressions": table.append_column("fold", pa.array(["train", "test"]))}
    del tables["segments"]
    with pytest.raises(TableError, match="the rows of one search_id have different values") as caught:
        mine(write_logs(tmp_path / "l", tables), vertical(split="{by: column, column: fold}"), tmp_path / "pairs")
    assert caught.value.column == "fold"


@pytest.mark.parametrize(
    ("split", "empty", "sizes"),
    [
        ("{valid_from: 2020-01-01}", ["train"], [0, 4, 0]),
        ("{valid_from: 2030-01-01}", ["valid"], [4, 0, 0]),
        ("{test_from: 2026-01-01T00:02:30}", [], [2, 0, 2]),
        ("{valid: 0.01}", ["valid"], [4, 0, 0]),
        ("{test: 1.0}", ["train"], [0, 0, 4]),
        ("{valid: 0.5, test: 0.01}", ["test"], [2, 2, 0]),
    ],
)
def test_a_split_may_be_empty_and_is_noted(tmp_path, split, empty, sizes):
    counts = mine(write_logs(tmp_path / "logs", good_tables()), vertical(split=split), tmp_path / "pairs")
    assert [counts[f"searches_{name}"] for name in ("train", "valid", "test")] == sizes
    notes = json.loads((tmp_path / "pairs" / "manifest.json").read_text())["notes"]
    assert notes == [f"split: no search falls into {name}: whatever needs one will say so" for name in empty]


def gone() -> dict[str, pa.Table]:
    """x is gone: it was shown in s1, chosen in s2 (so s2 is no failed search), and visited."""
    tables = good_tables()
    tables["impressions"] = impressions(
        ("s1", "u", 0, "a", 1, True),
        ("s1", "u", 0, "x", 2, False),
        ("s2", "v", 100, "x", 1, True),
        ("s3", None, 200, "c", 1, True),
        ("s4", "u", 300, None, None, False),
    )
    visits = tables["activity"].to_pylist()
    visits += [{"searcher_id": "v", "time": at(150), "doc_id": "x", "kind": "visited"}]
    tables["activity"] = pa.Table.from_pylist(visits, tables["activity"].schema)
    return tables


def test_rows_of_documents_that_are_gone_are_refused_or_left_out_and_counted(tmp_path):
    logs = write_logs(tmp_path / "logs", gone())
    with pytest.raises(
        TableError, match=r"not found in table documents: 'x' \(unknown_documents: leave_out in vertical.yaml"
    ):
        mine(logs, vertical(), tmp_path / "pairs")
    lenient = vertical().model_copy(update={"unknown_documents": "leave_out"})
    counts = mine(logs, lenient, tmp_path / "pairs")
    assert (counts["impressions_of_unknown_documents"], counts["activity_of_unknown_documents"]) == (2, 1)
    assert (counts["impressions_read"], counts["impressions"], counts["activity_read"]) == (5, 2, 3)
    assert counts["impressions_repeated_in_a_search"] == 0
    pairs = pq.read_table(tmp_path / "pairs" / "pairs.parquet").to_pylist()
    assert [(row["search_id"], row["doc_id"]) for row in pairs] == [("s1", "a"), ("s3", "c"), ("s4", "d")]
    assert counts["searches_without_click"] == 1, "s2 was clicked, if on a document that is gone"
    notes = json.loads((tmp_path / "pairs" / "manifest.json").read_text())["notes"]
    assert notes[0].startswith("table impressions: 2 rows are left out: their 1 documents are not in table documents")
