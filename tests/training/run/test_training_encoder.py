"""A pretrained text encoder in the loop: it is tuned at its own rate, and a resumed run ends in the same bits."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_encoder import write_tiny_encoder
from training_toy import NUM_DOCUMENTS, VERTICAL, recipe, write_pairs

from alicorn.features import EncoderSettings, TextEncoder
from alicorn.publishing.shard_search import search_shard
from alicorn.training import Epoch, Recipe, train


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("encoder") / "pairs", num_pairs=600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


def encoded(folder: Path, tuned_layers: int, **changes: object) -> Recipe:
    reads = {"model": str(folder), "features": ["request.text", "document.name"], "tuned_layers": tuned_layers}
    towers = recipe().towers.model_dump(exclude_none=True) | {"encoder": reads}
    return recipe(towers=towers, epochs=2, **changes)


@pytest.mark.parametrize("tuned", [0, 1])
def test_a_resumed_run_ends_in_the_same_bits(pairs: Path, folder: Path, tmp_path: Path, tuned: int) -> None:
    given = encoded(folder, tuned)
    whole = train(pairs, VERTICAL, given, tmp_path / "whole", progress=False)

    def stop(epoch: Epoch) -> None:
        if epoch.number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(pairs, VERTICAL, given, tmp_path / "cut", progress=False, on_epoch=stop)
    resumed = train(pairs, VERTICAL, given, tmp_path / "cut", progress=False, resume=True)
    assert resumed.model.fingerprint == whole.model.fingerprint
    documents = pq.read_table(pairs / "documents.parquet")
    assert (resumed.model.encode_documents(documents) == whole.model.encode_documents(documents)).all()


def test_tuned_layers_move_at_their_own_rate(pairs: Path, folder: Path, tmp_path: Path) -> None:
    start = TextEncoder(EncoderSettings(model=str(folder), features=("request.text",), tuned_layers=1)).tuned_layers()
    moved = []
    for rate in (1e-9, 1e-3):
        optimizer = {"encoder_rate": rate}
        trained = train(pairs, VERTICAL, encoded(folder, 1, optimizer=optimizer), tmp_path / str(rate), progress=False)
        assert trained.model.module.tuned is not None
        after = trained.model.module.tuned.layers.state_dict()
        moved.append(max(float((after[name] - value).abs().max()) for name, value in start.state_dict().items()))
    assert moved[0] < 1e-6 < 1e-3 < moved[1]


def test_towers_without_any_ngram_learn_names_from_the_encoder(pairs: Path, folder: Path, tmp_path: Path) -> None:
    reads = {"model": str(folder), "features": ["request.text", "document.name"], "tuned_layers": 2}
    towers = {"dim": 16, "hidden": 0, "features": {"request": ["city"], "document": ["city"]}, "encoder": reads}
    given = recipe(towers=towers, epochs=4, optimizer={"rate": 0.01, "encoder_rate": 0.003})
    trained = train(pairs, VERTICAL, given, tmp_path / "model", progress=False)
    without = recipe(towers={**towers, "encoder": None}, epochs=4)
    blind = train(pairs, VERTICAL, without, tmp_path / "blind", progress=False)
    assert trained.epochs[trained.best_epoch].recall["10"] > blind.epochs[blind.best_epoch].recall["10"] + 0.2


def test_the_shipped_recipe_runs_as_it_is(pairs: Path, folder: Path, tmp_path: Path) -> None:
    """The encoder reads the texts of both sides, and the second stage has hard negatives that were mined for it."""
    path = tmp_path / "recipe.yaml"
    path.write_text(f"base: encoder\nepochs: 1\ntowers: {{encoder: {{model: {folder}}}}}\n")
    mined: list[int] = []

    def search(documents: np.ndarray, requests: np.ndarray, k: int) -> np.ndarray:
        mined.append(len(documents))
        return search_shard(documents, requests, k)

    trained = train(pairs, VERTICAL, Recipe.load(path), tmp_path / "model", progress=False, search=search)
    assert mined == [NUM_DOCUMENTS]
    read = [str(name) for name in trained.model.module.channel_names if "encoder" in str(name)]
    assert read == ["request.text@encoder", "document.name@encoder"]
    assert [epoch.stage for epoch in trained.epochs][:3] == [0, 1, 2]
    assert trained.epochs[trained.best_epoch].recall["1"] > trained.epochs[0].recall["1"]
    assert trained.encoder is not None
    assert trained.encoder["texts"] + trained.encoder["found"] > 100
