"""The recipe `mgdspr` on a small shop: it is read as shipped, learns, and resumes to the same bits with dropout."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from alicorn.logs import mine
from alicorn.towers import Model
from alicorn.towers.settings.semantic import Semantic
from alicorn.training import Recipe, train
from alicorn.vertical import Vertical
from alicorn.worlds import SHOP_VERTICAL, ShopWorld

SHOP = Vertical.load(SHOP_VERTICAL)
TABLES = {name: {"buckets": 2000, "dim": 8} for name in ("item", "category", "brand", "shop", "kind")}


def shipped(folder: Path, **changes: object) -> Recipe:
    """mgdspr, smaller."""
    path = folder / "recipe.yaml"
    path.write_text("base: mgdspr\n")
    recipe = Recipe.load(path)
    assert isinstance(recipe.towers.fusion, Semantic)
    assert recipe.towers.fusion.heads == 8
    assert recipe.negatives.interpolated == 684
    towers = {
        **recipe.plain()["towers"],
        "dim": 16,
        "tables": {"text": {"buckets": 20_000, "dim": 16}, **TABLES},
    }
    smaller = {
        "towers": towers,
        "negatives": {"random": 64, "in_batch": False, "interpolated": 16},
        "batch": 64,
        "epochs": 2,
        "validation": {"searches": 50, "start": False, "interpolate": []},
    }
    return Recipe.model_validate({**recipe.plain(), **smaller, **changes})


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    world = ShopWorld.generate((1000, 60), seed=1)
    ids = world.doc_ids.to_pylist()
    rng = np.random.default_rng(0)

    def engine(queries: list[str]) -> list[list[str]]:
        return [[ids[number] for number in rng.choice(1000, 10, replace=False)] for _ in queries]

    world.write_logs(folder / "logs", 500, engine)
    mine(folder / "logs", SHOP, folder / "pairs")
    return folder / "pairs"


class InterruptedRunError(Exception):
    pass


def test_it_learns_and_a_resumed_run_ends_in_the_same_bits(pairs: Path, tmp_path: Path) -> None:
    recipe = shipped(tmp_path)
    whole = train(pairs, SHOP, recipe, tmp_path / "whole", progress=False)
    assert whole.epochs[2].loss is not None
    assert whole.epochs[1].loss is not None
    assert whole.epochs[2].loss < whole.epochs[1].loss

    def stop(epoch: object) -> None:
        raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        train(pairs, SHOP, recipe, tmp_path / "cut", progress=False, on_epoch=stop)
    resumed = train(pairs, SHOP, recipe, tmp_path / "cut", progress=False, resume=True)
    assert resumed.model.fingerprint == whole.model.fingerprint

    loaded = Model.load(tmp_path / "whole")
    searchers = pq.read_table(pairs / "searchers.parquet").slice(0, 5)
    requests = searchers.append_column("query", [["red shoes", "", "dress", "x", "blue cotton shirt"]])
    vectors = loaded.encode_requests(requests)
    assert np.isfinite(vectors).all()
    served = np.concatenate([loaded.encode_requests(requests.slice(row, 1)) for row in range(5)])
    np.testing.assert_allclose(served, vectors, atol=1e-5)
