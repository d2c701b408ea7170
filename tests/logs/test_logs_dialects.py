"""What pandas 3, polars, DuckDB and Spark write by default is mined, and gives the same pairs as plain Arrow."""

import datetime
import logging
import uuid

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs_world import good_tables, vertical, write_logs

from alicorn.errors import TableError
from alicorn.logs import mine, read_logs
from alicorn.pairs import PairsFolder
from alicorn.tables import noted, read_table

TIME = pa.timestamp("us")


def each(change):
    """A change of columns, by their type, as a change of a table."""
    return lambda table: pa.table({name: change(table[name], table[name].type) for name in table.column_names})


def cast_of(*kinds):
    """Columns of a type become another: (from, to) pairs."""
    known = dict(kinds)
    return each(lambda column, kind: column.cast(known.get(kind, kind)))


LISTS = ((pa.list_(pa.float32()), pa.large_list(pa.float32())), (pa.list_(pa.string()), pa.large_list(pa.string())))
DIALECTS = {
    "large_string": cast_of((pa.string(), pa.large_string()), *LISTS),
    "string_view": cast_of((pa.string(), pa.string_view())),
    "binary": cast_of((pa.string(), pa.binary()), (pa.list_(pa.string()), pa.list_(pa.binary()))),
    "categories": each(lambda column, kind: column.dictionary_encode() if kind == pa.string() else column),
    "nanoseconds in a zone": cast_of((TIME, pa.timestamp("ns", "Asia/Tokyo"))),
    "milliseconds": cast_of((TIME, pa.timestamp("ms"))),
    "positions of pandas": cast_of((pa.int32(), pa.float64())),
    "decimals": cast_of((pa.int32(), pa.decimal128(10, 0))),
    "unsigned": cast_of((pa.int32(), pa.uint8())),
    "half floats": cast_of((pa.list_(pa.float32()), pa.list_(pa.float16()))),
    "fixed lists": cast_of((pa.list_(pa.float32()), pa.list_(pa.float32(), 2))),
    "doubles": cast_of((pa.list_(pa.float32()), pa.list_(pa.float64()))),
}


def pairs_of(logs, out):
    counts = mine(logs, vertical(), out)
    return counts, {name: read_table(out / f"{name}.parquet", name).to_pydict() for name in ("pairs", "searches")}


@pytest.fixture
def plain(tmp_path):
    return pairs_of(write_logs(tmp_path / "plain", good_tables()), tmp_path / "plain-pairs")


@pytest.mark.parametrize("change", DIALECTS.values(), ids=DIALECTS)
def test_a_dialect_is_mined_and_read_as_plain_arrow_is(tmp_path, plain, change):
    logs = write_logs(tmp_path / "logs", {name: change(table) for name, table in good_tables().items()})
    assert pairs_of(logs, tmp_path / "pairs") == plain
    documents = PairsFolder(tmp_path / "pairs").read("documents")
    assert documents.schema.field("doc_id").type == documents.schema.field("name").type == pa.string()


def with_uuids(table, kind):
    """Every id of the tables becomes a UUID, as an Arrow UUID or as its canonical text."""

    def ids(column):
        found = [None if value is None else uuid.uuid5(uuid.NAMESPACE_URL, value) for value in column.to_pylist()]
        if kind == pa.string():
            return pa.array([None if one is None else str(one) for one in found], kind)
        raw = pa.array([None if one is None else one.bytes for one in found], pa.binary(16))
        return pa.ExtensionArray.from_storage(pa.uuid(), raw)

    names = table.column_names
    return pa.table({name: ids(table[name]) if name.endswith("_id") else table[name] for name in names})


def test_uuids_are_mined_as_their_canonical_text(tmp_path):
    told = []
    for name, kind in (("text", pa.string()), ("uuids", pa.uuid())):
        tables = {table_name: with_uuids(table, kind) for table_name, table in good_tables().items()}
        told.append(pairs_of(write_logs(tmp_path / name, tables), tmp_path / f"{name}-pairs"))
    assert told[0] == told[1]
    assert str(uuid.uuid5(uuid.NAMESPACE_URL, "c")) in told[1][1]["pairs"]["doc_id"]


def test_the_day_of_25_hours_keeps_the_order_of_its_two_hours(tmp_path):
    """Searches of one wall clock, 01:30, before and after the clocks are set back, and one between at 01:59."""
    first = int(datetime.datetime(2026, 11, 1, 5, 30, tzinfo=datetime.UTC).timestamp())
    moments = [first, first + 29 * 60, first + 3600, first + 7200]
    tables = good_tables()
    shown = tables["impressions"]
    search_ids = shown["search_id"].to_pylist()
    order = sorted(set(search_ids))
    times = pa.array(
        [moments[order.index(search_id)] for search_id in search_ids], pa.timestamp("s", "America/New_York")
    )
    tables["impressions"] = shown.set_column(shown.column_names.index("time"), "time", times)
    tables.pop("activity", None)
    _, found = pairs_of(write_logs(tmp_path / "logs", tables), tmp_path / "pairs")
    told = dict(zip(found["searches"]["search_id"], found["searches"]["time"], strict=True))
    for search_id, time in told.items():
        assert int(time.replace(tzinfo=datetime.UTC).timestamp()) == moments[order.index(search_id)]


@pytest.mark.parametrize(
    "name", ["query=v2", "clicked=true", "position=9", "segment=x", "[a]", "*", "?", "~", "grün heiß"]
)
def test_names_of_folders_are_no_data(tmp_path, plain, name):
    logs = write_logs(tmp_path / name / "logs", good_tables())
    assert pairs_of(logs, tmp_path / name / "pairs") == plain


def test_what_spark_writes_is_mined(tmp_path, plain):
    """A folder for each table, with markers, checksums, a part without rows, and times of 96 bits."""
    for name, table in good_tables().items():
        folder = tmp_path / "logs" / f"{name}.parquet"
        folder.mkdir(parents=True)
        (folder / "_SUCCESS").write_bytes(b"")
        for number, part in enumerate((table.slice(0, 0), table.slice(0, 1), table.slice(1))):
            file = folder / f"part-{number:05d}-c000.snappy.parquet"
            pq.write_table(part, file, use_deprecated_int96_timestamps=True, store_schema=False)
            (folder / f".{file.name}.crc").write_bytes(b"crc")
    assert pairs_of(tmp_path / "logs", tmp_path / "pairs") == plain


def test_what_duckdb_and_pandas_write_is_mined(tmp_path, plain):
    for writer in ("duckdb", "pandas"):
        (tmp_path / writer).mkdir()
    for name, rows in good_tables().items():
        duckdb.sql(f"COPY (FROM rows) TO '{tmp_path / 'duckdb' / name}.parquet' (FORMAT parquet)")
        rows.to_pandas().to_parquet(tmp_path / "pandas" / f"{name}.parquet")
    assert pairs_of(tmp_path / "duckdb", tmp_path / "duckdb-pairs") == plain
    assert pairs_of(tmp_path / "pandas", tmp_path / "pandas-pairs") == plain


def test_times_finer_than_a_microsecond_are_counted(tmp_path, caplog):
    caplog.set_level(logging.WARNING, logger="alicorn.tables")
    tables = good_tables()
    ns = tables["activity"]["time"].cast(pa.timestamp("ns")).cast(pa.int64()).to_pylist()
    tables["activity"] = tables["activity"].set_column(1, "time", pa.array([ns[0] + 1, ns[1]], pa.timestamp("ns")))
    mine(write_logs(tmp_path / "logs", tables), vertical(), tmp_path / "pairs")
    assert any("activity: 1 times are finer than a microsecond" in note.getMessage() for note in caplog.records)


@pytest.mark.parametrize(
    ("table", "column", "values", "why"),
    [
        ("activity", "time", pa.array([0, 2**63 - 1], TIME), r"years 1 to 9999.*first bad row 1 .*activity\.parquet"),
        ("impressions", "position", pa.array([1, 2, 1, 1.5, None]), r"row 3 .*cannot be read as int64"),
        ("searchers", "city", pa.array([b"Rome", b"\xff"]), r"row 1 .*cannot be read as string"),
    ],
)
def test_what_cannot_be_read_is_refused_before_any_work(tmp_path, table, column, values, why):
    tables = good_tables()
    at = tables[table].schema.get_field_index(column)
    tables[table] = tables[table].set_column(at, column, values)
    with pytest.raises(TableError, match=why) as caught:
        mine(write_logs(tmp_path / "logs", tables), vertical(), tmp_path / "pairs")
    assert (caught.value.table, caught.value.column) == (table, column)
    assert not (tmp_path / "pairs").exists()


def test_a_log_of_clicks_as_csv_is_a_log(tmp_path):
    """The least of columns; numbers as text where the vertical asks for text, as ids and as a query."""
    (tmp_path / "documents.csv").write_text('doc_id,name,social\n1,1984,\n2,Emma,"[0.5, 1]"\n')
    (tmp_path / "impressions.csv").write_text(
        'search_id,time,query,doc_id\n7,2026-01-01T00:00:00Z,1984,1\n8,2026-01-02T00:00:00Z,"",2\n'
    )
    with noted() as notes, read_logs(tmp_path, vertical(city="again: {kind: text, column: query}")) as logs:
        rows = logs.impressions.to_pyarrow().to_pylist()
        names = logs.documents.count().to_pyarrow().as_py()
    assert names == 2
    assert [(row["search_id"], row["query"], row["doc_id"], row["clicked"], row["grade"]) for row in rows] == [
        ("7", "1984", "1", True, 1.0),
        ("8", "", "2", True, 1.0),
    ]
    assert {(row["searcher_id"], row["position"]) for row in rows} == {(None, 1)}
    assert any("every row is taken as a click" in note for note in notes)


def test_what_is_missing_is_told_at_once(tmp_path):
    tables = good_tables()
    tables["impressions"] = tables["impressions"].drop_columns(["search_id", "doc_id"])
    folder = write_logs(tmp_path, tables)
    why = r"'search_id' is missing \(string; the search that the row belongs to\), as are 'doc_id'"
    with pytest.raises(TableError, match=why), read_logs(folder, vertical()):
        pass


def test_a_missing_column_is_not_mistaken_for_another_that_is_needed(tmp_path):
    tables = good_tables()
    names = ["session_id" if name == "search_id" else name for name in tables["impressions"].column_names]
    folder = write_logs(tmp_path, {**tables, "impressions": tables["impressions"].rename_columns(names)})
    why = "'search_id' is missing, the id of one search. session_id is a visit, .* rename it to search_id"
    with pytest.raises(TableError, match=why), read_logs(folder, vertical()):
        pass
