"""CSV as tables: a type where every value has it, text to the letter else, and a note on what commas mean."""

import csv
import datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alicorn.errors import TableError
from alicorn.tables import noted, open_parts, read_table

NOON = datetime.datetime(2026, 1, 31, 12)
READ = {
    "integers": (["1", "", "-20"], [1, None, -20]),
    "codes keep their zeros": (["007", "12"], ["007", "12"]),
    "numbers": (["1", "2.5", "1e3", ".5"], [1.0, 2.5, 1000.0, 0.5]),
    "bools": (["true", "FALSE", ""], [True, False, None]),
    "dates": (["2026-01-31", ""], [datetime.date(2026, 1, 31), None]),
    "times": (["2026-01-31 12:00", "2026-01-31T12:00:00.000"], [NOON, NOON]),
    "a day that is none": (["2026-02-31"], ["2026-02-31"]),
    "lists": (['["a", "b"]', "[]"], [["a", "b"], []]),
    "what looks like a list": (["[REC]", "[]"], ["[REC]", "[]"]),
    "blanks around numbers": ([" 1", "2 "], [1, 2]),
    "text keeps its blanks": ([" a", ""], [" a", None]),
    "nothing": (["", ""], [None, None]),
    "English thousands": (["1,299.00", "12", ""], [1299.0, 12.0, None]),
    "German decimals": (["1.299,00", "12,5"], [1299.0, 12.5]),
    "a comma that may mean either": (["1,299", "2,000"], ["1,299", "2,000"]),
    "two lines in a cell": (["a\nb", 'say "a"'], ["a\nb", 'say "a"']),
}


def written(path, cells, separator=",", encoding="utf-8"):
    with path.open("w", newline="", encoding=encoding) as opened:
        writer = csv.writer(opened, delimiter=separator)
        writer.writerows([["a", "last"], *([cell, "x"] for cell in cells)])
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(("cells", "values"), READ.values(), ids=READ)
def test_a_column_has_the_first_type_that_every_value_has(tmp_path, cells, values, separator):
    read = read_table(written(tmp_path / "t.csv", cells, separator, "utf-8-sig"), "t")
    assert read["a"].to_pylist() == values
    assert read["last"].to_pylist() == ["x"] * len(cells)


def test_a_time_with_a_zone_is_utc(tmp_path):
    read = read_table(written(tmp_path / "t.csv", ["2026-01-31T12:00:00Z", "2026-01-31T21:00:00+09:00"]), "t")["a"]
    assert read.type == pa.timestamp("us", "UTC")
    assert read.cast(pa.timestamp("us")).to_pylist() == [NOON, NOON]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["1,299.00", "5"], "'a' has numbers with commas: 1,299.00 in row 0 is read as 1299.00"),
        (["1,299", "5"], "'a' has numbers such as 1,299, whose comma may mean either: read as text"),
        ([*map(str, range(20)), "n/a"], "'a' is numbers but for cells such as 'n/a' in row 20: read as text"),
        ([*["2026-01-31 12:00"] * 19, "31/1"], "'a' is times but for cells such as '31/1' in row 19: read as text"),
    ],
)
def test_what_was_understood_is_said(tmp_path, cells, said):
    with noted() as notes:
        read_table(written(tmp_path / "t.csv", cells), "t")
    assert notes == [f"table t: column {said}"]


KNOWN = {
    "text": (["1984", "007"], pa.string(), ["1984", "007"]),
    "text that is a list": (['["a"]'], pa.string(), ['["a"]']),
    "lists of text, or text": (["1984", "x"], pa.list_(pa.string()), ["1984", "x"]),
    "lists of text": (['["a"]'], pa.list_(pa.string()), [["a"]]),
    "a bool as a number": (["1", "0", ""], pa.bool_(), [True, False, None]),
    "a bool as a word": (["yes", "No"], pa.bool_(), [True, False]),
    "a price without pence": (["12", "13"], pa.float64(), [12.0, 13.0]),
    "no bool": (["maybe"], pa.bool_(), ["maybe"]),
}


@pytest.mark.parametrize(("cells", "known", "values"), KNOWN.values(), ids=KNOWN)
def test_a_known_type_decides(tmp_path, cells, known, values):
    assert open_parts(written(tmp_path / "t.csv", cells), "t", {"a": known}).read()["a"].to_pylist() == values


def test_an_empty_cell_is_null_and_quotes_are_an_empty_text(tmp_path):
    (tmp_path / "t.csv").write_text('query,n\n"",1\n,2\n')
    assert read_table(tmp_path / "t.csv", "t")["query"].to_pylist() == ["", None]


def test_part_files_have_one_type(tmp_path):
    written(tmp_path / "1.csv", ["1", "2"])
    written(tmp_path / "2.csv", ["x"])
    (tmp_path / "3.csv").write_text("last\nz\n")
    parts = open_parts(tmp_path, "t")
    assert parts.read()["a"].to_pylist() == ["1", "2", "x", None]
    assert [batch["last"].to_pylist() for batch in parts.batches(["last"], num_rows=2)] == [["x", "x"], ["x"], ["z"]]


REFUSED = {
    "another number of cells": (b"a,b\n1,2,3\n", "Expected 2 columns, got 3"),
    "Latin-1": ("a\nGrün\n".encode("latin1"), "CSV in UTF-8"),
    "nothing": (b"", "Empty CSV"),
    "a name twice": (b"a,a\n1,2\n", "has the column 'a' 2 times"),
}


@pytest.mark.parametrize(("content", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_table_is_refused(tmp_path, content, why):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(TableError, match=rf"table t: .*t\.csv .*{why}"):
        read_table(tmp_path / "t.csv", "t")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), min_size=1)


@given(st.lists(TEXT.filter(lambda text: any(letter.isalpha() for letter in text)), min_size=1))
def test_any_text_comes_back_to_the_letter(tmp_path_factory, values):
    path = written(tmp_path_factory.mktemp("csv") / "t.csv", values)
    assert open_parts(path, "t", {"a": pa.string()}).read()["a"].to_pylist() == values
