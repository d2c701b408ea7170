"""Searchers as pandas 3, polars, DuckDB and Spark write them, and part files, are served as plain Arrow is."""

import datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from asgi_client import ids, search
from served_people import TEXT, UNIFIED, VERTICAL

from alicorn.errors import TableError
from alicorn.retrieval.searchers import Searchers
from alicorn.tables import read_table

NOON = datetime.datetime(2024, 2, 29, 12)
SEARCHERS = pa.table(
    {
        "searcher_id": ["p3", "p2", "grün"],
        "city": ["Oslo", "Bergen", None],
        "friends": pa.array([["p1", "p/4"], [], None], pa.list_(pa.string())),
        "taste": pa.array([[0.5, 1.0], [0.25, -1.0], None], pa.list_(pa.float32())),
        "age": pa.array([40, 41, 42], pa.int32()),
        "since": pa.array(
            [datetime.datetime(2024, 2, 29, 12), None, datetime.datetime(1969, 7, 20)], pa.timestamp("us")
        ),
    }
)
STRING, STRINGS, FLOATS, TIME = pa.string(), pa.list_(pa.string()), pa.list_(pa.float32()), pa.timestamp("us")


def written_as(column, kinds):
    """The column in the type that `kinds` has for its plain one."""
    kind = kinds.get(column.type, column.type)
    return column.dictionary_encode() if kind == "dictionary" else pa.array(column.to_pylist(), kind)


ARROW = {
    "large_string": {STRING: pa.large_string(), STRINGS: pa.large_list(pa.large_string())},
    "string_view": {STRING: pa.string_view(), STRINGS: pa.list_(pa.string_view())},
    "dictionary": {STRING: "dictionary"},
    "bytes": {STRING: pa.binary()},
    "list_view": {STRINGS: pa.list_view(pa.string()), FLOATS: pa.large_list_view(pa.float32())},
    "fixed lists": {FLOATS: pa.list_(pa.float32(), 2)},
    "nanoseconds": {TIME: pa.timestamp("ns")},
}


def parts(path, *tables):
    """A folder as Spark leaves it."""
    path.mkdir()
    (path / "_SUCCESS").write_bytes(b"")
    for number, table in enumerate(tables):
        pq.write_table(table, path / f"part-{number:05d}-c000.snappy.parquet", store_schema=False)


def by_arrow(kinds):
    return lambda path: pq.write_table(
        pa.table({name: written_as(SEARCHERS[name], kinds) for name in SEARCHERS.column_names}), path
    )


def by_duckdb(path):
    duckdb.sql(f"COPY (FROM SEARCHERS) TO '{path}' (FORMAT parquet)")


WRITERS = {
    **{name: by_arrow(kinds) for name, kinds in ARROW.items()},
    "pandas": lambda path: SEARCHERS.to_pandas().to_parquet(path),
    "duckdb": by_duckdb,
    "spark": lambda path: parts(path, SEARCHERS.slice(0, 0), SEARCHERS.slice(0, 1), SEARCHERS.slice(1)),
    "int96": lambda path: pq.write_table(SEARCHERS, path, use_deprecated_int96_timestamps=True, store_schema=False),
}


@pytest.fixture
def answers(collection, start):
    """What the server knows of the searchers of a file, and finds for each of them."""

    def of(path):
        table = read_table(path, "searchers")
        client = start(collection, [TEXT, UNIFIED], searchers=table)
        assert client.get("/v1/searchers").json()["total"] == len(SEARCHERS)
        known = Searchers(VERTICAL, table).some(len(SEARCHERS))
        found = [search(client, text="john smith", searcher=one) for one in SEARCHERS["searcher_id"].to_pylist()]
        return known, [(ids(answer), [hit["score"] for hit in answer["hits"]]) for answer in found]

    return of


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_searchers_of_every_writer_are_served_alike(tmp_path, answers, write):
    pq.write_table(SEARCHERS, tmp_path / "plain.parquet")
    write(tmp_path / "searchers=v2.parquet")
    known, found = answers(tmp_path / "searchers=v2.parquet")
    assert (known, found) == answers(tmp_path / "plain.parquet")
    assert [one["city"] for one in known] == ["Oslo", "Bergen", None]
    assert found[0] != found[1]  # the searcher's city decides


def test_times_in_a_zone_keep_their_moment(tmp_path, answers):
    by_arrow({TIME: pa.timestamp("ns", "Asia/Tokyo")})(tmp_path / "searchers.parquet")
    known, _ = answers(tmp_path / "searchers.parquet")
    since = known[0]["since"]
    assert since == NOON.replace(tzinfo=datetime.UTC)


def test_a_column_that_a_later_part_brings_is_served(tmp_path, answers):
    parts(tmp_path / "parts", SEARCHERS.slice(0, 1).select(["searcher_id", "age"]), SEARCHERS.slice(1))
    known, found = answers(tmp_path / "parts")
    assert [one["city"] for one in known] == [None, "Bergen", None]
    assert found[0] != found[1]


def test_an_id_that_is_no_text_is_refused_before_anything_is_served(tmp_path, answers):
    at = SEARCHERS.set_column(0, "searcher_id", pa.array([b"p3", b"\xff", b"p2"]))
    pq.write_table(at, tmp_path / "searchers.parquet")
    with pytest.raises(TableError, match=r"searchers, column 'searcher_id', row 1 .*cannot be read as string"):
        answers(tmp_path / "searchers.parquet")
