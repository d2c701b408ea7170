"""Grades and weights of impressions: what counts as chosen, what is kept, what is refused."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs_world import good_tables, impressions, vertical, write_logs

from alicorn.errors import TableError
from alicorn.logs import mine

BY_TIME = "{valid_from: 2026-01-01T00:02:30}"  # before s3


def graded(grades: list, weights: list | None = None, clicked: bool = True) -> dict[str, pa.Table]:
    """s1 and s2 in train, s3 in valid, each of which showed a and b; only a of s1 was clicked."""
    rows = [(s, "u", t, doc, at, (s, doc) == ("s1", "a")) for s, t in SEARCHES for at, doc in ((1, "a"), (2, "b"))]
    table = impressions(*rows).append_column("grade", pa.array(grades))
    if weights is not None:
        table = table.append_column("weight", pa.array(weights))
    if not clicked:
        table = table.drop_columns("clicked")
    tables = good_tables() | {"impressions": table}
    del tables["segments"], tables["activity"]
    return tables


SEARCHES = (("s1", 0), ("s2", 100), ("s3", 200))


def mined(tmp_path, tables) -> tuple[dict[str, int], dict[str, list[dict]]]:
    counts = mine(write_logs(tmp_path / "logs", tables), vertical(split=BY_TIME), tmp_path / "pairs")
    names = ("pairs", "impressions", "non_clicks", "searches")
    return counts, {name: pq.read_table(tmp_path / "pairs" / f"{name}.parquet").to_pylist() for name in names}


def of(rows: list[dict], *names: str) -> list[tuple]:
    return [tuple(row[name] for name in names) for row in rows]


def test_a_grade_says_more_than_a_click_and_is_filled_by_it(tmp_path):
    counts, tables = mined(tmp_path, graded([0, None, 2, None, 3, 1], [None, 2.0, 0.5, None, 1.0, 4.0]))
    assert of(tables["pairs"], "search_id", "doc_id", "grade", "weight") == [
        ("s2", "a", 2.0, 0.5),
        ("s3", "a", 3.0, 1.0),
        ("s3", "b", 1.0, 4.0),
    ]
    assert of(tables["non_clicks"], "search_id", "doc_id") == [("s2", "b")]  # s1 has nothing that was right
    assert of(tables["impressions"], "search_id", "doc_id", "grade", "weight")[:2] == [
        ("s1", "a", 0.0, 1.0),
        ("s1", "b", 0.0, 2.0),
    ]
    assert of(tables["searches"], "targets", "grades") == [(["a", "b"], [3.0, 1.0])]
    assert counts["impressions_without_grade"] == counts["impressions_without_weight"] == 2
    assert counts["searches_without_click"] == 1


def test_with_grades_clicked_may_be_absent(tmp_path):
    _, tables = mined(tmp_path, graded([0, 1, None, 2, 1, 0], clicked=False))
    assert of(tables["pairs"], "search_id", "doc_id") == [("s1", "b"), ("s2", "b"), ("s3", "a")]
    assert of(tables["pairs"], "weight") == [(1.0,)] * 3


def test_the_best_grade_of_a_document_shown_twice_counts(tmp_path):
    tables = graded([1, 0, 1, 0, 1, 0])
    again = tables["impressions"].slice(0, 1).set_column(7, "grade", pa.array([4]))
    tables["impressions"] = pa.concat_tables([tables["impressions"], again])
    _, found = mined(tmp_path, tables)
    assert of(found["pairs"], "search_id", "grade")[0] == ("s1", 4.0)


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("column", ["grade", "weight"])
def test_grades_and_weights_are_finite_numbers_from_0(tmp_path, column, bad):
    values = [1.0, 1.0, bad, 1.0, 1.0, 1.0]
    tables = graded(values if column == "grade" else [1.0] * 6, values if column == "weight" else None)
    with pytest.raises(TableError, match=f"a {column} is a finite number from 0") as caught:
        mined(tmp_path, tables)
    assert (caught.value.column, caught.value.row, caught.value.count) == (column, 2, 1)


def test_a_search_that_showed_nothing_has_no_grade(tmp_path):
    tables = graded([1.0] * 6)
    nothing = impressions(("s9", "u", 300, None, None, False)).append_column("grade", pa.array([2.0]))
    tables["impressions"] = pa.concat_tables([tables["impressions"], nothing])
    with pytest.raises(TableError, match="a position, a click or a grade"):
        mined(tmp_path, tables)
