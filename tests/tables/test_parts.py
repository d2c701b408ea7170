"""A folder of part files is one table: by name, exactly, and nothing in silence."""

import logging

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alicorn.errors import TableError
from alicorn.tables import open_parts, read_table

NS = pa.timestamp("ns")


@pytest.fixture
def notes(caplog):
    caplog.set_level(logging.WARNING, logger="alicorn.tables")
    return lambda: [record.getMessage() for record in caplog.records]


def written(folder, *tables):
    folder.mkdir(parents=True, exist_ok=True)
    for number, table in enumerate(tables):
        pq.write_table(pa.table(table), folder / f"part-{number}.parquet")
    return folder


UNIFIED = {
    "a column that comes": ([{"a": [1]}, {"a": [2], "b": ["x"]}], {"a": [1, 2], "b": [None, "x"]}),
    "a column that goes": ([{"a": [1], "b": ["x"]}, {"a": [2]}], {"a": [1, 2], "b": ["x", None]}),
    "another order": ([{"a": [1], "b": ["x"]}, {"b": ["y"], "a": [2]}], {"a": [1, 2], "b": ["x", "y"]}),
    "nulls, then text": ([{"a": pa.nulls(1)}, {"a": ["x"]}], {"a": [None, "x"]}),
    "empty lists, then text": ([{"a": [[]]}, {"a": [["x"]]}], {"a": [[], ["x"]]}),
    "integers, then floats": ([{"a": [1]}, {"a": [0.5]}], {"a": [1.0, 0.5]}),
    "small integers": ([{"a": pa.array([1], pa.int32())}, {"a": [2**40]}], {"a": [1, 2**40]}),
    "unsigned": ([{"a": pa.array([7], pa.uint64())}, {"a": [-1]}], {"a": [7, -1]}),
    "categories": ([{"a": pa.array(["x"]).dictionary_encode()}, {"a": ["y"]}], {"a": ["x", "y"]}),
    "structs": ([{"a": [{"x": 1}]}, {"a": [{"y": "z"}]}], {"a": [{"x": 1, "y": None}, {"x": None, "y": "z"}]}),
    "no rows": ([{"a": pa.array([], pa.int64())}, {"a": [2]}], {"a": [2]}),
}


@pytest.mark.parametrize(("parts", "whole"), UNIFIED.values(), ids=UNIFIED)
def test_parts_are_unified_by_name(tmp_path, parts, whole):
    assert read_table(written(tmp_path / "t", *parts), "t").to_pydict() == whole


def test_units_and_zones_of_time_are_unified_exactly(tmp_path):
    ns = pa.array([1_700_000_000_000_000_001]).cast(pa.timestamp("ns", "Asia/Tokyo"))
    read = read_table(written(tmp_path / "t", {"a": pa.array([5]).cast(pa.timestamp("s"))}, {"a": ns}), "t")
    assert read["a"].type == pa.timestamp("ns", "UTC")
    assert read["a"].cast(pa.int64()).to_pylist() == [5_000_000_000, 1_700_000_000_000_000_001]


NOT_UNIFIED = {
    "text and numbers": ([{"a": ["x"]}, {"a": [1]}], r"'a' is string in .*part-0.* and int64 in .*part-1", None),
    "an integer that no double is": ([{"a": [0.5]}, {"a": [1, 2**53 + 1]}], r"part-1\.parquet", 2),
    "an unsigned that no int64 is": ([{"a": [1]}, {"a": pa.array([2**63], pa.uint64())}], r"part-1\.parquet", 1),
}


@pytest.mark.parametrize(("parts", "why", "row"), NOT_UNIFIED.values(), ids=NOT_UNIFIED)
def test_what_does_not_go_together_is_refused_by_file_and_row(tmp_path, parts, why, row):
    with pytest.raises(TableError, match=why) as caught:
        read_table(written(tmp_path / "t", *parts), "t")
    assert (caught.value.table, caught.value.column, caught.value.row) == ("t", "a", row)


def test_what_differs_is_said(tmp_path, notes):
    read_table(written(tmp_path / "t", {"a": [1]}, {"a": [0.5], "b": ["x"]}), "t")
    assert any("'a' is int64 in part-0.parquet, and read as double" in note for note in notes())
    assert any("'b' is missing in 1 of 2 files" in note for note in notes())


@pytest.mark.parametrize("name", ["query=v2", "[a]", "*", "?", "~", " ", "grün", "a.b", "{x}", "#", "%20"])
def test_names_are_names(tmp_path, name):
    folder = written(tmp_path / name / "t", {"query": ["mine"]})
    written(tmp_path / "elsewhere" / "t", {"query": ["other"]})
    assert read_table(folder, "t").to_pydict() == {"query": ["mine"]}
    assert read_table(folder / "part-0.parquet", "t").to_pydict() == {"query": ["mine"]}


def test_folders_inside_are_read_and_their_names_are_no_columns(tmp_path, notes):
    folder = written(tmp_path / "t", {"a": [1]})
    written(folder / "country=US" / "deeper", {"a": [2]})
    assert read_table(folder, "t").to_pydict() == {"a": [2, 1]}
    assert any("'country=US' is a name" in note for note in notes())


def test_what_spark_leaves_beside_the_parts_is_passed_over(tmp_path, notes):
    folder = written(tmp_path / "t", {"a": [1]})
    for name in ("_SUCCESS", ".part-0.parquet.crc", "._SUCCESS.crc"):
        (folder / name).write_bytes(b"")
    written(folder / "_temporary", {"a": [9]})
    written(folder / ".hidden", {"a": [9]})
    assert read_table(folder, "t").to_pydict() == {"a": [1]}
    assert notes() == []


def test_a_file_without_an_ending_is_a_part_and_others_are_named(tmp_path, notes):
    folder = written(tmp_path / "t", {"a": [1]})
    pq.write_table(pa.table({"a": [2]}), folder / "z00000_0")
    (folder / "README").write_text("no table")
    assert read_table(folder, "t").to_pydict() == {"a": [1, 2]}
    assert any("README" in note for note in notes())


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", b"no table"])
def test_a_file_that_is_no_parquet_is_named(tmp_path, content):
    folder = written(tmp_path / "t", {"a": [1]})
    (folder / "part-9.parquet").write_bytes(content)
    with pytest.raises(TableError, match=r"part-9\.parquet cannot be read as Parquet"):
        read_table(folder, "t")


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "t").mkdir()
    with pytest.raises(TableError, match=r"holds no \*\.parquet file"):
        open_parts(tmp_path / "t", "t")


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(TableError, match="'a' is there 2 times"):
        open_parts(tmp_path / "t.parquet", "t")


def test_a_column_whose_name_has_a_dot_is_not_mistaken_for_a_field(tmp_path):
    folder = written(tmp_path / "t", {"a": [1], "a.b": [2], "c": [3]})
    assert read_table(folder, "t", ["a"]).to_pydict() == {"a": [1]}
    assert read_table(folder, "t", ["a.b"]).to_pydict() == {"a.b": [2]}


def test_broken_text_is_named_by_file_and_row(tmp_path):
    ends = np.array([0, 1, 2], np.int32)
    broken = pa.StringArray.from_buffers(2, pa.py_buffer(ends), pa.py_buffer(b"a\xff"))
    folder = written(tmp_path / "t", {"a": ["x", "y"]}, {"a": broken})
    with pytest.raises(TableError, match=r"not UTF-8; that is row 1 of .*part-1\.parquet") as caught:
        read_table(folder, "t")
    assert caught.value.row == 3


def test_times_of_96_bits_after_the_year_2262_are_read(tmp_path):
    import datetime

    late = datetime.datetime(9999, 12, 31)
    table = pa.table({"a": pa.array([late], pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "t.parquet", use_deprecated_int96_timestamps=True)
    assert read_table(tmp_path / "t.parquet", "t")["a"].to_pylist() == [late]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, None, 1714521600123456000, 1714521600123456789], NS),
        pa.array([[0], None, [], [5_000, 1714521600123456789]], pa.list_(NS)),
        pa.array([{"x": 0}, None, {"x": None}, {"x": -1}], pa.struct([("x", NS)])),
    ],
    ids=lambda column: str(column.type),
)
def test_96_bit_times_finer_than_a_microsecond_are_refused_by_row(tmp_path, column):
    path, options = tmp_path / "t.parquet", {"use_deprecated_int96_timestamps": True, "store_schema": False}
    pq.write_table(pa.table({"n": [1, 2, 3], "a": column[:3]}), path, **options)
    assert len(read_table(path, "t")) == 3
    pq.write_table(pa.table({"n": [1, 2, 3, 4], "a": column}), path, **options)
    with pytest.raises(TableError, match=r"column 'a', row 3 .*finer than a microsecond: write .* timestamp\[ns\]"):
        read_table(path, "t")
    with pytest.raises(TableError, match="row 3 "):
        list(open_parts(path, "t").batches(num_rows=1))
    assert read_table(path, "t", ["n"])["n"].to_pylist() == [1, 2, 3, 4]


def test_batches_are_the_rows_in_order(tmp_path):
    parts = [{"a": list(range(start, start + 5))} for start in (0, 5, 10)]
    source = open_parts(written(tmp_path / "t", *parts), "t")
    batches = list(source.batches(num_rows=3))
    assert max(map(len, batches)) == 3
    assert pa.concat_tables(batches)["a"].to_pylist() == list(range(15))
    assert source.num_rows == 15


def test_row_groups_read_alone_are_the_table(tmp_path):
    first = pa.table({"doc_id": [f"a{row}" for row in range(10)], "n": range(10)})
    pq.write_table(first, tmp_path / "a.parquet", row_group_size=4)
    pq.write_table(pa.table({"doc_id": pa.array([], pa.string())}), tmp_path / "b.parquet")
    pq.write_table(pa.table({"doc_id": ["c0", "c1"], "n": [0.5, 1.5]}), tmp_path / "c.parquet")
    opened = open_parts(tmp_path, "documents")
    groups = opened.row_groups()
    assert [(group.first_row, group.num_rows) for group in groups] == [(0, 4), (4, 4), (8, 2), (10, 2)]
    read = [table for group in groups for table in opened.batches_of(group, 3)]
    assert [len(table) for table in read] == [3, 1, 3, 1, 2, 2]
    assert pa.concat_tables(read).equals(opened.read())


def test_a_row_group_s_error_counts_rows_of_the_table(tmp_path):
    wrong = pa.table({"doc_id": ["a", "b", "c", "d"], "at": [0, 1, 2, 1]})
    at = pa.array([0, 1000, 2000, 1], pa.timestamp("ns"))
    path = tmp_path / "t.parquet"
    pq.write_table(wrong.set_column(1, "at", at), path, row_group_size=2, use_deprecated_int96_timestamps=True)
    opened = open_parts(path, "documents")
    assert len(list(opened.batches_of(opened.row_groups()[0]))) == 1
    with pytest.raises(TableError, match="row 3"):
        list(opened.batches_of(opened.row_groups()[1]))
