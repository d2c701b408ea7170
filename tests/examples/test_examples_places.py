"""The place example: cells and points of a position, the split of ambiguous names, and the real set through mining."""

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from examples_source import EXAMPLES, prepare_script, real_set, run

from alicorn.logs import mine
from alicorn.vertical import Vertical


@pytest.fixture
def script():
    return prepare_script("places")


def shared_cells(script, *positions) -> int:
    """How many squares two points have in common."""
    one, other = script.cells(*np.array(positions).T).to_pylist()
    return len(set(one) & set(other))


def test_near_points_share_squares_and_far_ones_do_not(script):
    berlin, potsdam, rome, sydney = (52.52, 13.40), (52.40, 13.06), (41.89, 12.51), (-33.87, 151.21)
    assert shared_cells(script, berlin, berlin) == 6
    assert shared_cells(script, berlin, potsdam) >= 4
    assert shared_cells(script, berlin, rome) == 0
    assert shared_cells(script, berlin, sydney) == 0


def test_points_on_both_sides_of_a_border_share_a_square(script):
    for border in (0.0, 8.0, 16.0, -24.0):
        assert shared_cells(script, (border - 0.01, 10.3), (border + 0.01, 10.3)) >= 3
        assert shared_cells(script, (10.3, border - 0.01), (10.3, border + 0.01)) >= 3
    assert shared_cells(script, (10.3, -179.99), (10.3, 179.99)) >= 3


def test_points_are_unit_vectors_whose_cosine_is_the_distance(script):
    berlin, rome = script.points(np.array([52.52, 41.89]), np.array([13.40, 12.51])).to_pylist()
    assert np.linalg.norm(berlin) == pytest.approx(1.0, abs=1e-6)
    assert np.arccos(np.dot(berlin, rome)) * 6371 == pytest.approx(1184, abs=5)  # kilometres


def test_the_real_set_passes_the_checks_and_is_mined_whole(script, tmp_path, monkeypatch):
    run(script, monkeypatch, real_set("places-geonames"), tmp_path / "logs")
    counts = mine(tmp_path / "logs", Vertical.load(EXAMPLES / "places" / "vertical.yaml"), tmp_path / "pairs")
    assert counts["pairs"] == counts["searches"] == 22_180
    pairs = pq.read_table(tmp_path / "pairs" / "pairs.parquet")
    alternate = pairs.filter(pc.is_null(pairs["searcher_id"]))
    assert pc.sum(pc.equal(alternate["split"], "train")).as_py() == 17_941
    assert pc.sum(pc.equal(alternate["split"], "valid")).as_py() == 2_656
    ambiguous = pairs.filter(pc.is_valid(pairs["searcher_id"]))
    names = {
        split: set(ambiguous.filter(pc.equal(ambiguous["split"], split))["query"].to_pylist())
        for split in ("train", "valid")
    }
    assert len(ambiguous) == 1_583
    assert min(map(len, names.values())) > 100
    assert not names["train"] & names["valid"]
    held_out = pq.read_table(tmp_path / "pairs" / "searches.parquet")["segment"].to_pylist()
    assert {label for labels in held_out for label in labels} == {"alternate", "ambiguous"}
