"""Stages, hard negatives mined between them, further sources: what each changes; a run can be cut anywhere."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from training_toy import VERTICAL, recipe, write_pairs

from alicorn.errors import ConfigError, TableError
from alicorn.towers import Model
from alicorn.training import Epoch, train
from alicorn.training.examples.batches import epoch_batches
from alicorn.training.examples.data import Pairs, TrainingData
from alicorn.training.recipe.recipe import Recipe
from alicorn.training.run.run import Run

MINED = {"random": 32, "mined": {"ranks": [2, 40], "shard": 0.5, "easy_per_hard": 10}}
ROUNDS = [{"epochs": 2}, {"negatives": MINED, "epochs": 1, "rounds": 2}]


def search(documents: np.ndarray, requests: np.ndarray, k: int) -> np.ndarray:
    """The slow oracle of alicorn.publishing.shard_search.search_shard."""
    return np.argsort(-(requests @ documents.T), axis=1, kind="stable")[:, :k]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every search showed the wanted document and the next one."""
    folder = write_pairs(tmp_path_factory.mktemp("stages") / "pairs", num_pairs=600)
    table = pq.read_table(folder / "impressions.parquet")
    beside = pa.array([f"d{(int(doc_id[1:]) + 1) % 300}" for doc_id in table["doc_id"].to_pylist()])
    source = pa.array(["non_click"] * len(table))
    shown = table.set_column(4, "doc_id", beside).set_column(5, "source", source)
    pq.write_table(shown, folder / "non_clicks.parquet")
    return folder


def quietly(pairs: Path, given: Recipe, out: Path, **options: Any) -> Any:
    return train(pairs, VERTICAL, given, out, progress=False, **{"search": search, **options})


class InterruptedRunError(Exception):
    pass


@pytest.mark.parametrize("number", range(5))
def test_a_run_cut_after_any_epoch_and_resumed_ends_in_the_same_bits(
    pairs: Path, tmp_path: Path, number: int, whole: Any
) -> None:
    def stop(epoch: Epoch) -> None:
        if epoch.number == number:
            raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        quietly(pairs, recipe(stages=ROUNDS), tmp_path / "m", on_epoch=stop)
    resumed = quietly(pairs, recipe(stages=ROUNDS), tmp_path / "m", resume=True)
    assert resumed.model.fingerprint == whole.model.fingerprint
    assert [(e.number, e.stage, e.loss, e.recall) for e in resumed.epochs] == [
        (e.number, e.stage, e.loss, e.recall) for e in whole.epochs
    ]


@pytest.fixture(scope="module")
def whole(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return quietly(pairs, recipe(stages=ROUNDS), tmp_path_factory.mktemp("whole") / "m")


def test_a_run_cut_while_it_mines_ends_in_the_same_bits(pairs: Path, tmp_path: Path, whole: Any) -> None:
    calls = []

    def cut(*given: Any) -> np.ndarray:
        calls.append(given)
        if len(calls) == 2:
            raise InterruptedRunError
        return search(*given)

    with pytest.raises(InterruptedRunError):
        quietly(pairs, recipe(stages=ROUNDS), tmp_path / "m", search=cut)
    resumed = quietly(pairs, recipe(stages=ROUNDS), tmp_path / "m", resume=True)
    assert resumed.model.fingerprint == whole.model.fingerprint


def test_each_round_mines_with_the_model_as_it_is_then(pairs: Path, tmp_path: Path, whole: Any) -> None:
    assert [epoch.stage for epoch in whole.epochs] == [0, 1, 1, 2, 3]
    seen = []

    def watched(documents: np.ndarray, requests: np.ndarray, k: int) -> np.ndarray:
        seen.append((documents, k))
        return search(documents, requests, k)

    quietly(pairs, recipe(stages=ROUNDS), tmp_path / "m", search=watched)
    assert [(len(documents), k) for documents, k in seen] == [(150, 20), (150, 20)]
    assert not np.allclose(seen[0][0], seen[1][0])


def test_a_stage_starts_from_the_best_weights_of_the_one_before(pairs: Path, tmp_path: Path) -> None:
    """The second stage cannot move: its rates are next to nothing."""
    still = {"optimizer": {"rate": 1e-12, "table_rate": 1e-12}, "epochs": 2}
    alone = quietly(pairs, recipe(epochs=3), tmp_path / "alone")
    staged = quietly(pairs, recipe(stages=[{"epochs": 3}, still]), tmp_path / "staged")
    documents = pq.read_table(pairs / "documents.parquet")
    moved = staged.model.encode_documents(documents) - alone.model.encode_documents(documents)
    assert np.abs(moved).max() < 1e-5


def test_the_untrained_start_counts_only_where_no_stage_follows_and_the_recipe_lets_it(
    pairs: Path, tmp_path: Path
) -> None:
    ruin = {"optimizer": {"rate": 30.0, "table_rate": 30.0}, "epochs": 1}
    assert quietly(pairs, recipe(**ruin), tmp_path / "a").best_epoch == 0
    without_start = recipe(**ruin, validation={"start": False, "interpolate": []})
    assert quietly(pairs, without_start, tmp_path / "b").best_epoch == 1
    staged = quietly(pairs, recipe(stages=[ruin, {"epochs": 1}]), tmp_path / "c")
    assert staged.best_epoch in (1, 2)
    assert staged.epochs[1].stage == 1


def test_mined_negatives_are_in_the_window_of_ranks_and_weigh_a_tenth_of_the_easy_ones(
    pairs: Path, tmp_path: Path
) -> None:
    seen: dict[str, np.ndarray] = {}

    def watched(documents: np.ndarray, requests: np.ndarray, k: int) -> np.ndarray:
        seen["ranked"] = search(documents, requests, k)
        return seen["ranked"]

    given = recipe(stages=[{"negatives": MINED, "epochs": 1}])
    with pytest.raises(InterruptedRunError):
        quietly(pairs, given, tmp_path / "m", search=watched, on_epoch=_stop_after_mining)
    with np.load(tmp_path / "m" / "checkpoint" / "mined-1.npz") as mined:
        assert np.bincount(mined["pairs"]).max() <= 16
        assert len(np.unique(mined["pairs"])) == 600
    assert seen["ranked"].shape == (600, 20)  # rank 40 of all is rank 20 of a half
    easy = 32 + 127
    step = given.stage_recipes()[0].negatives
    assert step.num_easy(given.batch) == easy


def _stop_after_mining(epoch: Epoch) -> None:
    if epoch.stage == 1:
        raise InterruptedRunError


def data_of(pairs: Path, given: Recipe, work: Path) -> TrainingData:
    return Pairs(pairs, VERTICAL).training(Model.new(VERTICAL, given.plain(), "", {}, 0), given, work)


def test_non_clicks_are_those_of_the_same_search(pairs: Path, tmp_path: Path) -> None:
    given = recipe(negatives={"random": 0, "in_batch": False, "non_click": 2})
    data = data_of(pairs, given, tmp_path)
    assert data.non_clicks is not None
    assert data.non_clicks.documents.tolist() == [(number + 1) % 300 for number in data.positives]
    batch = next(epoch_batches(data, given, 1, torch.device("cpu")))
    assert batch.allowed.shape == (128, 128 + 2 * 128)
    assert (batch.allowed[:, 128:].sum(dim=1) <= 2).all()
    assert not batch.allowed[:, :128].any()
    assert batch.weights is None


def test_log_q_and_weights_reach_the_loss(pairs: Path, tmp_path: Path) -> None:
    given = recipe(negatives={"random": 32, "log_q": True, "non_click": 1})
    data = data_of(pairs, given, tmp_path)
    batch = next(epoch_batches(data, given, 1, torch.device("cpu")))
    assert batch.log_q is not None
    first = np.random.default_rng([given.seed, 1]).permutation(600)[:128]
    clicks = np.bincount(data.positives, minlength=300)[data.positives[first]]
    expected = (128 * clicks / 600 + 32 / 300) / (128 + 32)
    np.testing.assert_allclose(batch.log_q[:128], np.log(expected), rtol=1e-5)
    np.testing.assert_allclose(batch.log_q[160:], -np.log(300), rtol=1e-6)


def test_a_volume_takes_so_many_pairs_of_its_source_and_a_small_one_is_part_of_a_large_one(
    pairs: Path, tmp_path: Path
) -> None:
    def positives(name: str, **changes: Any) -> list[int]:
        return data_of(pairs, recipe(**changes), tmp_path / name).positives.tolist()

    everything = positives("all")
    half = positives("half", volume={"click": 0.5})
    tenth = positives("tenth", volume={"click": 0.1})
    hard = len(positives("hard", positives=["hard"]))
    assert len(half) == pytest.approx(hard + (600 - hard) / 2, rel=0.1)
    assert len(tenth) == pytest.approx(hard + (600 - hard) / 10, rel=0.2)
    assert len(set(tenth) - set(half)) == 0
    assert len(everything) == 600


def test_rules_choose_among_the_hard_positives(pairs: Path, tmp_path: Path) -> None:
    """In the toy all were reached after a minute, first, and are like the query."""
    counts = {}
    for name, rules in {"all": {}, "in time": {"window_s": 60}, "sooner": {"window_s": 59}}.items():
        counts[name] = len(data_of(pairs, recipe(hard_positives=rules), tmp_path / name).positives)
    assert counts["all"] == counts["in time"] == 600 > counts["sooner"] > 400
    with pytest.raises(TableError, match="no training pair"):
        data_of(pairs, recipe(positives=["hard"], hard_positives={"window_s": 59}), tmp_path / "none")


def test_hard_negatives_without_a_search_are_refused(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"alicorn\.publish\.nearest"):
        quietly(pairs, recipe(stages=ROUNDS), tmp_path / "m", search=None)
    assert not (tmp_path / "m").exists()


def test_a_run_may_start_from_another_model(pairs: Path, tmp_path: Path) -> None:
    first = quietly(pairs, recipe(epochs=3), tmp_path / "first")
    again = quietly(pairs, recipe(epochs=1), tmp_path / "again", start=first.model)
    assert again.epochs[0].recall == first.epochs[first.best_epoch].recall
    other = recipe(towers={"dim": 8, "tables": {"text": {"buckets": 2000, "dim": 16}}})
    with pytest.raises(ConfigError, match="other towers"):
        quietly(pairs, other, tmp_path / "other", start=first.model)
    assert not (tmp_path / "other").exists()
    shutil.rmtree(tmp_path / "again")
    assert quietly(pairs, recipe(epochs=1), tmp_path / "again").epochs[0].recall != again.epochs[0].recall


def test_stages_are_recipes_of_their_own() -> None:
    given = recipe(stages=[{"epochs": 7}, {"loss": {"kind": "triplet"}, "rounds": 2, "patience": 1}])
    steps = given.stage_recipes()
    assert [(step.epochs, step.patience, step.loss.kind) for step in steps] == [
        (7, 4, "softmax"),
        (4, 1, "triplet"),
        (4, 1, "triplet"),
    ]
    assert all(step.stages == () for step in steps)
    assert recipe().stage_recipes() == (recipe(),)
    with pytest.raises(ValueError, match="stage 2: log_q"):
        recipe(negatives={"log_q": True}, stages=[{}, {"loss": {"kind": "triplet"}}])
    with pytest.raises(ValueError, match="impression is not among the positives"):
        recipe(volume={"impression": 0.5})


def test_patience_counts_epochs_of_the_stage_alone() -> None:
    """A first stage that ended two epochs behind its best one leaves the second, which is worse, two of its own."""
    given = recipe(stages=[{}, {}], patience=2, epochs=9)
    run = object.__new__(Run)
    run.recipe, run.stages = given, given.stage_recipes()
    run.validation = SimpleNamespace(requests=range(1))  # type: ignore[assignment]
    recalls = [(0, 0.1), (1, 0.6), (1, 0.5), (1, 0.5), (2, 0.4), (2, 0.3)]
    run.epochs = [
        Epoch(number, None, {"10": recall}, 1.0, None, stage) for number, (stage, recall) in enumerate(recalls)
    ]
    assert run.best_epoch == 1
    assert run._is_done(2, run.stages[1])
    run.epochs.pop()
    assert not run._is_done(2, run.stages[1])
    assert run._is_done(1, run.stages[0])
