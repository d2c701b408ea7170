import json

import numpy as np
import pytest

from alicorn.evaluation.metrics.comparison import OVERALL, compare, recall_measures
from alicorn.evaluation.metrics.ranking import Targets
from alicorn.evaluation.reports.comparison_report import (
    SIMULATION,
    difference_table,
    markdown,
    segment_table,
    write_report,
)

NUM_SEARCHES = 400


@pytest.fixture
def comparison():
    """`perfect` finds every target at rank 1; `half` only those of even searches; odd searches are `misspelled`."""
    numbers = np.arange(NUM_SEARCHES, dtype=np.int32)
    perfect = np.column_stack([numbers, numbers + 1])
    half = np.where(numbers[:, None] % 2 == 0, perfect, -1)
    segments = [["all", "exact"] if n % 2 == 0 else ["all", "misspelled"] for n in numbers]
    targets = Targets.of([[n] for n in numbers])
    return compare(
        {"half": half, "perfect": perfect},
        targets,
        measures=recall_measures([1, 10]),
        segments=segments,
        baseline="half",
    )


def test_means_overall_and_by_segment(comparison):
    assert comparison.segments == {OVERALL: 400, "all": 400, "exact": 200, "misspelled": 200}
    assert comparison.mean("half", "recall@1").mean == 0.5
    assert comparison.mean("half", "recall@1", "exact").mean == 1.0
    assert comparison.mean("half", "recall@10", "misspelled").mean == 0.0
    overall = comparison.mean("half", "recall@1")
    assert overall.low < 0.5 < overall.high
    assert comparison.mean("perfect", "recall@1").low == 1.0


def test_difference_to_the_baseline(comparison):
    overall = comparison.difference("perfect", "recall@1")
    assert overall.mean == 0.5
    assert overall.excludes_zero
    assert not comparison.difference("perfect", "recall@1", "exact").excludes_zero
    assert (OVERALL, "half", "recall@1") not in comparison.differences


def test_searches_without_targets_are_counted_and_left_out():
    found = compare({"a": np.array([[1], [2]], dtype=np.int32)}, Targets.of([[1], []]), segments=[["x"], ["y"]])
    assert found.num_without_targets == 1
    assert found.segments == {OVERALL: 1, "x": 1}
    assert found.mean("a", "recall@1").mean == 1.0


def test_no_search_at_all_gives_dashes_and_nulls():
    found = compare({"a": np.empty((0, 1), dtype=np.int32)}, Targets.of([]))
    assert "| a | - | - | - |" in segment_table(found, OVERALL)
    assert found.to_dict()["means"][OVERALL]["a"]["recall@1"]["mean"] is None


def test_what_does_not_fit_is_refused():
    run = np.zeros((2, 1), dtype=np.int32)
    targets = Targets.of([[0], [0]])
    with pytest.raises(ValueError, match="at least one run"):
        compare({}, targets)
    with pytest.raises(ValueError, match="the run of 'a' has 1 searches, the targets have 2"):
        compare({"a": run[:1]}, targets)
    with pytest.raises(ValueError, match="segments are given for 1 searches"):
        compare({"a": run}, targets, segments=[[]])
    with pytest.raises(ValueError, match="baseline 'b' is none of the systems 'a'"):
        compare({"a": run}, targets, baseline="b")


def test_tables(comparison):
    table = segment_table(comparison, "exact").splitlines()
    assert table[0] == "| system | recall@1 | recall@10 |"
    assert table[2] == "| half | 1.000 [1.000, 1.000] | 1.000 [1.000, 1.000] |"
    differences = difference_table(comparison)
    assert "| misspelled | perfect | **+1.000 [+1.000, +1.000]**" in differences
    assert "| exact | perfect | +0.000 [+0.000, +0.000]" in differences


def test_report_files(comparison, tmp_path):
    paths = write_report(comparison, tmp_path / "out", title="People", notes=[SIMULATION], facts={"model": "m1"})
    assert [path.name for path in paths] == ["report.md", "report.json", "report.svg"]
    text = paths[0].read_text()
    assert text == markdown(comparison, title="People", notes=[SIMULATION])
    assert SIMULATION in text
    assert "## misspelled (200 searches)" in text
    content = json.loads(paths[1].read_text())
    assert content["notes"] == [SIMULATION]
    assert content["model"] == "m1"
    assert content["means"]["exact"]["half"]["recall@1"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert content["differences"][OVERALL]["perfect"]["recall@1"]["mean"] == 0.5
    assert paths[2].read_text().startswith("<svg ")


def test_report_is_deterministic(comparison, tmp_path):
    first = write_report(comparison, tmp_path / "a", title="T")
    second = write_report(comparison, tmp_path / "b", title="T")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
