"""Do the benchmarks run, and do their systems agree? Tiny runs of the scripts; no number here means anything."""

import json
import os
from pathlib import Path

import pytest

ALL_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


@pytest.fixture(autouse=True)
def _all_cores_afterwards():
    """A benchmark pins its process to one core."""
    yield
    if ALL_CORES is not None:
        os.sched_setaffinity(0, ALL_CORES)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Indexes are built once for all tests."""
    return tmp_path_factory.mktemp("cache")


def small(tmp_path: Path, cache: Path, *more: str) -> list[str]:
    """Arguments of a tiny run, and the JSON file it writes."""
    sizes = ["--documents", "2000", "--dim", "16", "--queries", "8", "--tuning", "8", "--clock", "cpu"]
    return [*sizes, "--cache", str(cache), "--json", str(tmp_path / "out.json"), *more]


def rows_of(tmp_path: Path) -> dict:
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["fixed_overhead_us"]["(or)"] > 0
    return {row["row"]: row for row in result["rows"]}


def test_hybrid_prints_ours_beside_a_peer(tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture) -> None:
    import hybrid

    hybrid.main(small(tmp_path, cache, "--peers", "brute force", "--rows", "10 %", "search_many", "radius"))
    printed = capsys.readouterr().out
    rows = rows_of(tmp_path)
    assert set(rows) == {"10 % correlated", "10 %", "0.01 %, search_many of 50", "(or (and t1 t2) (nn radius))"}
    for row in rows.values():
        assert f"| {row['row']} |" in printed
        assert row["systems"]["brute force"]["recall"] == 1.0
        assert row["systems"]["alicorn"]["recall"] >= 0.9
        assert row["systems"]["alicorn"]["queries_per_s"] > 0
        assert row["bound"]["by"] in ("memory", "arithmetic", "Python")


def test_radius_measures_complete_rows(tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture) -> None:
    import radius

    radius.main(small(tmp_path, cache, "--peers", "brute force"))
    assert "times the best peer at 0.95" in capsys.readouterr().out
    for name, row in rows_of(tmp_path).items():
        if "complete" in name:
            assert row["systems"]["alicorn"]["recall"] == 1.0
            assert row["systems"]["alicorn"]["setting"] == "None"


def test_fuzz_runs_and_keeps_its_promises(capsys: pytest.CaptureFixture) -> None:
    import fuzz

    fuzz.main(["--inputs", "300"])
    assert capsys.readouterr().out.startswith("300 inputs: ")


@pytest.mark.slow
def test_all_peers_agree_with_brute_force(tmp_path: Path, cache: Path) -> None:
    import hybrid
    from harness import peers

    assert peers.faiss
    hybrid.main(small(tmp_path, cache, "--rows", "no filter", "10 %", "two tags", "top 1,600"))
    for row in rows_of(tmp_path).values():
        for name, one in row["systems"].items():
            assert one["recall"] >= 0.7 or not one["reached"], f"{name}, {row['row']}"


@pytest.mark.slow
def test_the_other_scripts_run(tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture) -> None:
    import column
    import hybrid
    import overhead

    column.main(small(tmp_path, cache, "--peers"))
    printed = capsys.readouterr().out
    assert "bytes per document" in printed
    assert "recall of the complete answer" in printed
    hybrid.main(small(tmp_path, cache, "--peers", "--growth", "1000", "2000"))
    assert "to the power" in capsys.readouterr().out
    overhead.main(["--documents", "2000", "--json", str(tmp_path / "overhead.json")])
    requests = json.loads((tmp_path / "overhead.json").read_text())["requests"]
    assert all(one["compiled"] == 0 for one in requests), "Numba compiled in a request"


@pytest.mark.slow
def test_fuzz_a_hundred_thousand_inputs() -> None:
    import fuzz

    fuzz.main(["--inputs", "100000", "--seed", "1"])
