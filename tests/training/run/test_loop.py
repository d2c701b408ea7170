"""Training learns, stops, and resumes to the same bits."""

import json
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from training_toy import VERTICAL, recipe, write_pairs

from alicorn.errors import ConfigError, ModelError, TableError
from alicorn.towers import Model
from alicorn.training import Epoch, Recipe, train


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("loop") / "pairs")


def quietly(pairs: Path, given: Recipe, out: Path, **options: Any) -> Any:
    return train(pairs, VERTICAL, given, out, progress=False, **options)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"loss": {"kind": "triplet", "margin": 0.3}},
        {"loss": {"kind": "triplet"}, "negatives": {"random": 32, "in_batch": False, "online_hard": 2}},
        {"negatives": {"random": 100, "in_batch": False}},
    ],
    ids=["softmax", "triplet", "online hard", "random only"],
)
def test_it_learns_that_a_name_means_the_one_of_the_searchers_city(
    pairs: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    trained = quietly(pairs, recipe(**changes), tmp_path / "model")
    before, best = trained.epochs[0].recall["1"], trained.epochs[trained.best_epoch].recall["1"]
    assert best > 0.75 > before
    assert trained.epochs[1].loss is not None
    assert trained.epochs[-1].loss < trained.epochs[1].loss
    searches, documents = (pq.read_table(pairs / f"{name}.parquet") for name in ("searches", "documents"))
    assert len(searches) == trained.num_searches
    model = Model.load(tmp_path / "model")
    assert model.fingerprint == trained.model.fingerprint
    assert np.isfinite(model.encode_documents(documents)).all()


def test_text_alone_cannot_know_the_city(pairs: Path, tmp_path: Path) -> None:
    given = recipe()
    towers = given.towers.model_dump() | {"features": {"request": ["text"], "document": ["name"]}}
    text = quietly(pairs, recipe(towers=towers, embedding="toy-text"), tmp_path / "text")
    assert text.model.key == "toy-text"
    assert text.epochs[text.best_epoch].recall["1"] < 0.55  # three people of each name


class InterruptedRunError(Exception):
    pass


def stop_after(number: int):  # type: ignore[no-untyped-def]
    def on_epoch(epoch: Epoch) -> None:
        if epoch.number == number:
            raise InterruptedRunError

    return on_epoch


@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_resumed_run_ends_in_the_same_bits(pairs: Path, tmp_path: Path, number: int) -> None:
    """Three epochs and two mixes: it stops before training, between epochs and between mixes."""
    given = recipe(epochs=3, validation={"interpolate": [0.9, 0.5]})
    whole = quietly(pairs, given, tmp_path / "whole")
    with pytest.raises(InterruptedRunError):
        quietly(pairs, given, tmp_path / "cut", on_epoch=stop_after(number))
    with pytest.raises(ModelError, match="no finished model"):
        Model.load(tmp_path / "cut")
    seen: list[int] = []
    resumed = quietly(pairs, given, tmp_path / "cut", resume=True, on_epoch=lambda e: seen.append(e.number))
    assert seen == list(range(number + 1, 6))
    assert resumed.model.fingerprint == whole.model.fingerprint
    for name, tensor in whole.model.module.state_dict().items():
        assert (tensor == resumed.model.module.state_dict()[name]).all()
    assert [(e.loss, e.recall) for e in resumed.epochs] == [(e.loss, e.recall) for e in whole.epochs]
    assert not (tmp_path / "cut" / "checkpoint").exists()


def test_a_seed_gives_one_model_and_another_seed_another(pairs: Path, tmp_path: Path) -> None:
    first, same, other = (
        quietly(pairs, recipe(seed=seed, epochs=1), tmp_path / str(i)) for i, seed in enumerate([1, 1, 2])
    )
    weights = [trained.model.module.document.linear.weight for trained in (first, same, other)]
    assert (weights[0] == weights[1]).all()
    assert not (weights[0] == weights[2]).all()


def test_it_stops_when_recall_no_longer_rises_and_keeps_the_best(pairs: Path, tmp_path: Path) -> None:
    """With a rate that ruins what the start knew, the best epoch is the one before training."""
    towers = {"dim": 16, "hidden": 0, "features": {"request": ["text"], "document": ["name"]}}
    ruin = {"optimizer": {"rate": 30.0, "table_rate": 30.0}, "epochs": 9, "patience": 2, "towers": towers}
    trained = quietly(pairs, recipe(**ruin), tmp_path / "m")
    recalls = [epoch.recall["10"] for epoch in trained.epochs]
    assert trained.best_epoch == int(np.argmax(recalls))
    assert len(trained.epochs) == trained.best_epoch + 3 < 10
    fresh = Model.new(VERTICAL, recipe(**ruin).plain(), "", {}, 0)
    documents = pq.read_table(pairs / "documents.parquet")
    if trained.best_epoch == 0:
        np.testing.assert_allclose(
            trained.model.encode_documents(documents), fresh.encode_documents(documents), atol=1e-6
        )


def test_a_mix_with_the_weights_before_training_mends_an_epoch_that_went_too_far(pairs: Path, tmp_path: Path) -> None:
    too_far = {"optimizer": {"rate": 0.5, "table_rate": 3.0}, "epochs": 1, "negatives": {"random": 0}}
    learned = quietly(pairs, recipe(**too_far), tmp_path / "learned")
    mixed = quietly(pairs, recipe(**too_far, validation={"interpolate": [0.1]}), tmp_path / "mixed")
    assert [epoch.share for epoch in mixed.epochs] == [1.0, 1.0, 0.1]
    assert mixed.best_epoch == 2
    assert mixed.epochs[2].recall["10"] > mixed.epochs[1].recall["10"] + 0.05
    start = Model.new(VERTICAL, recipe(**too_far).plain(), "", {}, 0).module.state_dict()
    for name, value in learned.model.module.state_dict().items():
        torch.testing.assert_close(mixed.model.module.state_dict()[name], 0.9 * start[name] + 0.1 * value)


def test_the_history_is_kept_beside_the_model(pairs: Path, tmp_path: Path) -> None:
    trained = quietly(pairs, recipe(epochs=2), tmp_path / "m")
    history = json.loads((tmp_path / "m" / "history.json").read_text())
    assert [epoch["number"] for epoch in history["epochs"]] == [0, 1, 2]
    assert history["made_from"]["recipe"] == recipe(epochs=2).fingerprint()
    assert history["best_epoch"] == trained.best_epoch
    summary = trained.summary()
    assert json.dumps(summary)
    assert summary["pairs"] == 1500
    assert summary["recall"] == history["epochs"][trained.best_epoch]["recall"]


def test_nothing_is_overwritten_or_mixed(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        quietly(pairs, recipe(), tmp_path / "m", on_epoch=stop_after(1))
    with pytest.raises(ConfigError, match="already holds"):
        quietly(pairs, recipe(), tmp_path / "m")
    with pytest.raises(ConfigError, match="another recipe"):
        quietly(pairs, recipe(seed=5), tmp_path / "m", resume=True)
    finished = quietly(pairs, recipe(), tmp_path / "m", resume=True)
    with pytest.raises(ConfigError, match="already holds"):
        quietly(pairs, recipe(), tmp_path / "m")
    again = quietly(pairs, recipe(), tmp_path / "m", resume=True)
    assert again.summary() == finished.summary()
    with pytest.raises(ConfigError, match="another recipe"):
        quietly(pairs, recipe(seed=5), tmp_path / "m", resume=True)


def test_a_damaged_checkpoint_is_an_error(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        quietly(pairs, recipe(), tmp_path / "m", on_epoch=stop_after(1))
    state = tmp_path / "m" / "checkpoint" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(ModelError, match="train again without resuming"):
        quietly(pairs, recipe(), tmp_path / "m", resume=True)


def test_a_refused_recipe_writes_nothing(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no request feature 'txt'"):
        quietly(pairs, recipe(towers={"features": {"request": ["txt"]}}), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_refused_rows_leave_nothing_behind(pairs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "pairs"
    shutil.copytree(pairs, copy)
    table = pq.read_table(copy / "pairs.parquet")
    lost = pa.array(["zz", *table["searcher_id"].to_pylist()[1:]])
    pq.write_table(table.set_column(1, "searcher_id", lost), copy / "pairs.parquet")
    with pytest.raises(TableError, match="searcher_id"):
        quietly(copy, recipe(), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_features_of_a_run_that_never_got_to_a_checkpoint_are_not_used(pairs: Path, tmp_path: Path) -> None:
    """They were hashed into other tables."""
    whole = quietly(pairs, recipe(epochs=1), tmp_path / "whole")
    other = recipe(towers={"dim": 16, "tables": {"text": {"buckets": 7, "dim": 16}}})
    with pytest.raises(InterruptedRunError):
        quietly(pairs, other, tmp_path / "m", on_epoch=stop_after(0))
    (tmp_path / "m" / "checkpoint" / "state.pt").unlink()
    again = quietly(pairs, recipe(epochs=1), tmp_path / "m")
    assert again.model.fingerprint == whole.model.fingerprint


def test_without_validation_searches_all_epochs_are_run_and_the_last_is_kept(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", num_pairs=300, num_valid=0)
    trained = quietly(pairs, recipe(epochs=3, patience=1), tmp_path / "m")
    assert (len(trained.epochs), trained.best_epoch, trained.num_searches) == (4, 3, 0)
    assert trained.summary()["recall"] == {}


def test_progress_goes_to_standard_error(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(pairs, VERTICAL, recipe(epochs=1), tmp_path / "m")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "epoch 1" in captured.err
    assert "recall@10" in captured.err
    assert "AUC 0." in captured.err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_train_with_threads_that_it_has_not(pairs: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def work() -> None:
        try:
            quietly(pairs, recipe(threads=2), tmp_path / "m")
        except ConfigError as error:
            queue.put(str(error))

    child = context.Process(target=work)
    child.start()
    child.join(60)
    alive = child.is_alive()
    child.kill()
    assert not alive
    assert "recipe, threads: a forked process has one thread of torch" in queue.get()
