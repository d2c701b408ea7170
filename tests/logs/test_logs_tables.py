"""Opening a log folder: every broken promise is told with table, column, first bad row and count, before any work."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs_world import TIME, activity, at, good_tables, impressions, vertical, write_logs

from alicorn.errors import AlicornError, TableError
from alicorn.logs import read_logs


def opened(folder, **vertical_changes) -> dict[str, int]:
    with read_logs(folder, vertical(**vertical_changes)) as logs:
        return logs.counts


def replaced(table: pa.Table, column: str, values) -> pa.Table:
    position = table.column_names.index(column)
    values = values if isinstance(values, pa.Array) else pa.array(values, table.schema.field(column).type)
    return table.set_column(position, column, values)


def refused(tmp_path, tables, **vertical_changes) -> TableError:
    with pytest.raises(TableError) as caught:
        opened(write_logs(tmp_path, tables), **vertical_changes)
    return caught.value


def test_good_logs_are_opened_and_counted(tmp_path):
    counts = opened(write_logs(tmp_path, good_tables()))
    assert counts == {"documents": 4, "searchers": 2, "impressions": 5, "activity": 2, "segments": 2}


def test_activity_and_segments_may_be_absent(tmp_path):
    tables = good_tables()
    del tables["activity"], tables["segments"]
    with read_logs(write_logs(tmp_path, tables), vertical()) as logs:
        assert logs.activity is None
        assert logs.segments is None


def test_without_searchers_any_searcher_id_passes(tmp_path):
    tables = good_tables()
    del tables["searchers"]
    tables["impressions"] = impressions(("s1", "nobody", 0, "a", 1, True), ("s2", None, 1, "a", 1, True))
    del tables["segments"]
    assert opened(write_logs(tmp_path, tables), city="again: {kind: text, column: query}")["impressions"] == 2


def test_without_searchers_the_vertical_must_take_nothing_from_them(tmp_path):
    tables = good_tables()
    del tables["searchers"]
    error = refused(tmp_path, tables)
    assert (error.table, error.column) == ("searchers", "city")
    assert "request.features.city asks for its column 'city'" in str(error)


@pytest.mark.parametrize("name", ["documents", "impressions"])
def test_the_main_tables_must_be_there(tmp_path, name):
    tables = good_tables()
    del tables[name]
    error = refused(tmp_path, tables)
    assert error.table == name
    assert f"table {name} is missing: neither {name}.parquet, {name}.csv nor {name}/" in str(error)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(TableError, match=r"no log folder at .*nothing"):
        opened(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["documents", "searchers", "impressions", "activity", "segments"])
def test_an_empty_table_is_refused(tmp_path, name):
    tables = good_tables()
    tables[name] = tables[name].slice(0, 0)
    error = refused(tmp_path, tables)
    assert (error.table, error.count) == (name, 0)
    assert f"table {name} is empty" in str(error)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("documents", "doc_id"),
        ("documents", "name"),
        ("searchers", "searcher_id"),
        ("searchers", "city"),
        *[("impressions", name) for name in ("search_id", "time", "query", "doc_id")],
        *[("activity", name) for name in ("searcher_id", "time", "doc_id", "kind")],
        *[("segments", name) for name in ("search_id", "segment")],
    ],
)
def test_a_missing_column_is_named(tmp_path, table, column):
    tables = good_tables()
    tables[table] = tables[table].drop_columns(column)
    error = refused(tmp_path, tables)
    assert (error.table, error.column) == (table, column)
    assert f"'{column}' is missing (" in str(error)
    assert "columns: " in str(error)


def test_a_visit_is_no_search(tmp_path):
    tables = good_tables()
    rows = tables["impressions"]
    named = ["session_id" if name == "search_id" else name for name in rows.column_names if name != "session_id"]
    tables["impressions"] = rows.select([name for name in rows.column_names if name != "session_id"]).rename_columns(
        named
    )
    error = refused(tmp_path, tables)
    assert error.column == "search_id"
    assert "session_id is a visit" in str(error)
    assert "rename it to search_id; else `alicorn init" in str(error)


@pytest.mark.parametrize(
    ("table", "column", "values", "wanted"),
    [
        ("documents", "doc_id", pa.array([1, 2, 3, 4]), "string"),
        ("documents", "social", pa.array([1.0, 2.0, 3.0, 4.0]), "list<float>"),
        ("searchers", "city", pa.array([["a"], ["b"]]), "string"),
        ("impressions", "time", pa.array(["2026-01-01"] * 5), "timestamp"),
        ("impressions", "position", pa.array(["1"] * 5), "integer"),
        ("impressions", "clicked", pa.array([1] * 5), "bool"),
        ("impressions", "query", pa.array([1] * 5), "string"),
        ("activity", "time", pa.array([1, 2]), "timestamp"),
        ("segments", "segment", pa.array(["a", "b"]), "list<string>"),
    ],
)
def test_a_wrong_type_is_named(tmp_path, table, column, values, wanted):
    tables = good_tables()
    tables[table] = replaced(tables[table], column, values)
    error = refused(tmp_path, tables)
    assert (error.table, error.column) == (table, column)
    assert f"must be {wanted} (" in str(error)
    assert f"got {values.type}" in str(error)


@pytest.mark.parametrize(
    ("table", "column", "values", "row", "count", "part"),
    [
        ("documents", "doc_id", ["a", None, "c", None], 1, 2, "a key is null"),
        ("documents", "doc_id", ["c", "b", "c", "c"], 2, 2, "the key of an earlier row again: 'c'"),
        ("documents", "social", [[1.0, 2.0], None, [1.0], [1.0, 2.0]], 2, 1, "a vector must have 2 numbers"),
        ("documents", "social", [[1.0, 2.0], None, None, [1.0, float("nan")]], 3, 1, "a null, NaN or infinite number"),
        ("searchers", "searcher_id", ["u", None], 1, 1, "a key is null"),
        (
            "searchers",
            "searcher_id",
            ["u", "u"],
            1,
            1,
            "the key of an earlier row again: 'u' (a searcher who changes has a row",
        ),
        ("impressions", "search_id", ["s1", "s1", None, "s3", None], 2, 2, "a key is null"),
        ("impressions", "time", [at(0), at(0), at(1), None, at(2)], 3, 1, "a time is null"),
        ("impressions", "query", ["q", "q", None, "q", "q"], 2, 1, "a query is null"),
        ("impressions", "clicked", [True, None, None, True, False], 1, 2, "clicked is null"),
        ("impressions", "position", [1, 2, 0, -1, None], 2, 2, "positions count from 1"),
        ("impressions", "position", [1, 2, 1, None, None], 3, 1, "a shown document has no position"),
        ("impressions", "doc_id", ["a", "x", "y", "c", None], 1, 2, "not found in table documents: 'x'"),
        ("impressions", "searcher_id", ["u", "u", "w", None, "z"], 2, 2, "not found in table searchers: 'w'"),
        (
            "impressions",
            "searcher_id",
            ["u", "v", "v", None, "u"],
            0,
            1,
            "the rows of one search_id have different searchers",
        ),
        (
            "impressions",
            "searcher_id",
            ["u", None, "v", None, "u"],
            0,
            1,
            "the rows of one search_id have different searchers",
        ),
        ("impressions", "query", ["q", "r", "q", "q", "q"], 0, 1, "the rows of one search_id have different queries"),
        ("activity", "searcher_id", [None, "u"], 0, 1, "a key is null"),
        ("activity", "searcher_id", ["u", "w"], 1, 1, "not found in table searchers: 'w'"),
        ("activity", "time", [at(1), None], 1, 1, "a time is null"),
        ("activity", "doc_id", ["c", None], 1, 1, "a key is null"),
        ("activity", "doc_id", ["x", "x"], 0, 2, "not found in table documents: 'x'"),
        ("activity", "kind", [None, "v"], 0, 1, "a kind is null"),
        ("segments", "search_id", ["s3", None], 1, 1, "a key is null"),
        ("segments", "search_id", ["s3", "s3"], 1, 1, "the key of an earlier row again"),
        ("segments", "search_id", ["s3", "s9"], 1, 1, "not found in table impressions: 's9'"),
        ("segments", "segment", [["a"], None], 1, 1, "labels are null"),
    ],
)
def test_bad_values_are_told_with_first_row_and_count(tmp_path, table, column, values, row, count, part):
    tables = good_tables()
    tables[table] = replaced(tables[table], column, values)
    error = refused(tmp_path, tables)
    assert (error.table, error.column, error.row, error.count) == (table, column, row, count)
    assert f"table {table}, column '{column}': {part}" in str(error)
    assert f"first bad row {row} (from 0), {count} row" in str(error)


@pytest.mark.parametrize(
    ("rows", "row", "part"),
    [
        ([("s1", "u", 0, "a", 1, True), ("s2", "u", 1, None, 1, False)], 1, "has none"),
        ([("s1", "u", 0, None, None, True), ("s2", "u", 1, "a", 1, True)], 0, "has none"),
        ([("s1", "u", 0, "a", 1, True), ("s1", "u", 0, None, None, False)], 0, "its search_id has other rows"),
    ],
)
def test_a_search_that_showed_nothing_is_one_row_with_nothing_in_it(tmp_path, rows, row, part):
    tables = good_tables() | {"impressions": impressions(*rows)}
    del tables["segments"]
    error = refused(tmp_path, tables)
    assert (error.table, error.column, error.row, error.count) == ("impressions", "doc_id", row, 1)
    assert part in str(error)


def test_part_files_are_one_table_in_the_order_of_their_names(tmp_path):
    tables = good_tables()
    parts = tables.pop("impressions")
    bad = replaced(parts, "doc_id", ["a", "b", "b", "c", None])
    write_logs(tmp_path, tables)
    (tmp_path / "impressions").mkdir()
    pq.write_table(bad.slice(0, 2), tmp_path / "impressions" / "part-0.parquet")
    pq.write_table(bad.slice(2), tmp_path / "impressions" / "part-1.parquet")
    assert opened(tmp_path)["impressions"] == 5
    wrong = replaced(bad.slice(2), "doc_id", ["b", "nobody", None])
    pq.write_table(wrong, tmp_path / "impressions" / "part-1.parquet")
    with pytest.raises(TableError) as caught:
        opened(tmp_path)
    assert (caught.value.row, caught.value.count) == (3, 1)


def test_a_part_file_of_another_type_is_named(tmp_path):
    tables = good_tables()
    rows = tables.pop("activity")
    write_logs(tmp_path, tables)
    (tmp_path / "activity").mkdir()
    pq.write_table(rows, tmp_path / "activity" / "a.parquet")
    pq.write_table(replaced(rows, "kind", pa.array([1, 2])), tmp_path / "activity" / "b.parquet")
    with pytest.raises(TableError, match=r"column 'kind' is string in .*a\.parquet and int64 in .*b\.parquet"):
        opened(tmp_path)


def test_file_and_folder_of_one_table_are_refused(tmp_path):
    write_logs(tmp_path, good_tables())
    (tmp_path / "activity").mkdir()
    with pytest.raises(TableError, match=r"both .* exist: remove one"):
        opened(tmp_path)


def test_a_folder_without_files_is_refused(tmp_path):
    tables = good_tables()
    del tables["activity"]
    write_logs(tmp_path, tables)
    (tmp_path / "activity").mkdir()
    with pytest.raises(TableError, match="holds no"):
        opened(tmp_path)


def test_a_truncated_file_is_named(tmp_path):
    write_logs(tmp_path, good_tables())
    path = tmp_path / "searchers.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TableError, match=r"searchers\.parquet cannot be read as Parquet"):
        opened(tmp_path)


def test_damaged_pages_are_an_error_of_ours(tmp_path):
    write_logs(tmp_path, good_tables())
    path = tmp_path / "impressions.parquet"
    content = bytearray(path.read_bytes())
    content[4:400] = b"\xff" * 396
    path.write_bytes(content)
    with pytest.raises(AlicornError):
        opened(tmp_path)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_times_with_a_zone_are_taken_to_utc(tmp_path, zone):
    tables = good_tables()
    times = tables["impressions"]["time"].combine_chunks()
    tables["impressions"] = replaced(
        tables["impressions"], "time", times.cast(pa.timestamp("ns")).cast(pa.timestamp("ns", zone))
    )
    with read_logs(write_logs(tmp_path, tables), vertical()) as logs:
        found = logs.impressions.order_by("time").to_pyarrow()["time"]
        assert found.type == TIME
        assert found[0].as_py() == datetime.datetime(2026, 1, 1)


def test_strings_may_be_large_or_dictionary_coded(tmp_path):
    tables = good_tables()
    shown = tables["impressions"]
    for column, data_type in (("doc_id", pa.large_string()), ("query", pa.dictionary(pa.int32(), pa.string()))):
        shown = replaced(shown, column, shown[column].combine_chunks().cast(data_type))
    tables["impressions"] = shown
    assert opened(write_logs(tmp_path, tables))["impressions"] == 5


def test_columns_beyond_the_contract_are_let_pass(tmp_path):
    tables = good_tables()
    for name in tables:
        tables[name] = tables[name].append_column("filename", pa.array(["x"] * len(tables[name])))
    tables["activity"] = activity(("v", 150, "c"))
    assert opened(write_logs(tmp_path, tables))["documents"] == 4
