"""The place example: waves of a position, spellings, the splits, and the real set through mining."""

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


def cosine_of(script, one: tuple[float, float], other: tuple[float, float], scale_km: float) -> float:
    first, second = np.array(script.waves(*np.array([one, other]).T, scale_km, 1.0).to_pylist())
    return float(first @ second)


def test_the_cosine_of_two_points_falls_with_their_distance(script):
    berlin, potsdam, rome = (52.52, 13.40), (52.40, 13.06), (41.89, 12.51)
    assert cosine_of(script, berlin, berlin, 100) == pytest.approx(1.0, abs=1e-6)
    assert cosine_of(script, berlin, potsdam, 100) > 0.9  # 27 km
    assert abs(cosine_of(script, berlin, rome, 100)) < 0.4  # 1,184 km
    assert 0.3 < cosine_of(script, berlin, rome, 1000) < 0.7
    assert cosine_of(script, (10.3, -179.99), (10.3, 179.99), 100) > 0.99  # no seam


def test_names_are_spelled_as_somebody_without_their_keyboard_would(script):
    assert script.romanised("頭份市") == "Tou Fen Shi"
    assert script.spellings(["Großenhain", "Viçosa", "Vicosa"]) == ["grossenhain", "vicosa"]
    assert script.spellings(["Åbo"]) == ["abo"]
    assert script.spellings(["København"]) == ["københavn", "kobenhavn"]
    assert script.plain("Sankt-Peterburg") == script.plain("Санкт-Петербург") == "sankt peterburg"


def test_the_real_set_passes_the_checks_and_is_mined_whole(script, tmp_path, monkeypatch):
    run(script, monkeypatch, real_set("places-geonames"), tmp_path / "logs")
    counts = mine(tmp_path / "logs", Vertical.load(EXAMPLES / "places" / "vertical.yaml"), tmp_path / "pairs")
    assert counts["pairs"] == counts["searches"] == 22_180
    pairs = pq.read_table(tmp_path / "pairs" / "pairs.parquet")
    alternate = pairs.filter(pc.is_null(pairs["searcher_id"]))
    assert pc.sum(pc.equal(alternate["split"], "train")).as_py() == 15_807
    assert pc.sum(pc.equal(alternate["split"], "valid")).as_py() == 2_134  # held out of the set's 17,941 to train on
    assert pc.sum(pc.equal(alternate["split"], "test")).as_py() == 2_656  # the set's own valid queries
    ambiguous = pairs.filter(pc.is_valid(pairs["searcher_id"]))
    names = {
        split: set(ambiguous.filter(pc.equal(ambiguous["split"], split))["query"].to_pylist())
        for split in ("train", "valid", "test")
    }
    assert len(ambiguous) == 1_583
    assert min(map(len, names.values())) > 100
    assert not names["train"] & names["valid"]
    assert not (names["train"] | names["valid"]) & names["test"]
    held_out = pq.read_table(tmp_path / "pairs" / "searches.parquet")["segment"].to_pylist()
    assert {label for labels in held_out for label in labels} == {"alternate", "ambiguous"}
