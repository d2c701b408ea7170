"""Training that goes wrong ends in one sentence, writes no model, and keeps the last good checkpoint."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from training_toy import VERTICAL, recipe, write_pairs

from alicorn.errors import TrainingError
from alicorn.towers import Model
from alicorn.training import Epoch, train
from alicorn.training.run.divergence import all_alike, all_unit

HUGE = {"rate": 1e25, "table_rate": 1e25}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("divergence") / "pairs", num_pairs=600)


def diverged(pairs: Path, out: Path, **changes: Any) -> str:
    """The sentence."""
    with pytest.raises(TrainingError) as error:
        train(pairs, VERTICAL, recipe(**changes), out, progress=False)
    assert not (out / "model.json").exists()
    return str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": {"kind": "softmax"}},
        {"loss": {"kind": "softmax", "symmetric": True}},
        {"negatives": {"random": 32, "interpolated": 4, "log_q": True}},
        {"negatives": {"random": 32, "log_q": True, "memory": {"size": 50, "warm_up": 0}}},
        {"loss": {"kind": "triplet"}},
        {"loss": {"kind": "bpr"}},
        {"blending": {"channel": 0.1}},
        {"auxiliary": {"queries": 10, "hidden": 4}},
        {"towers": {"dim": 16, "fusion": {"kind": "attention"}}},
        {"optimizer": {"kind": "adagrad", **HUGE}},
    ],
    ids=str,
)
def test_a_rate_that_makes_weights_infinite_is_named_with_the_weights_it_moves(
    pairs: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    said = diverged(pairs, tmp_path / "m", **{"optimizer": HUGE, **changes})
    assert re.search(r"^training diverged in stage 1, epoch 1, batch \d+: ", said)
    assert re.search(r"the largest weight is \S+, in \S.*: lower optimizer\.(table_)?rate \(now 1e\+25\)", said)
    assert "the last good checkpoint is kept in" in said
    assert "\n" not in said


def test_the_sentence_names_the_table_and_who_reads_it(pairs: Path, tmp_path: Path) -> None:
    said = diverged(pairs, tmp_path / "m", optimizer={"rate": 1e-3, "table_rate": 1e30})
    assert "in table city (request.city, document.city): lower optimizer.table_rate" in said or (
        "in table text (request.text, document.name): lower optimizer.table_rate" in said
    )


def test_the_checkpoint_of_the_last_good_epoch_is_kept(pairs: Path, tmp_path: Path) -> None:
    """The second stage diverges; what the first one learned is there, to the bit."""
    good: list[Epoch] = []
    stages = [{"epochs": 2}, {"optimizer": HUGE, "epochs": 2}]
    with pytest.raises(TrainingError, match="in stage 2, epoch 3, batch"):
        train(pairs, VERTICAL, recipe(stages=stages), tmp_path / "m", progress=False, on_epoch=good.append)
    assert [epoch.number for epoch in good] == [0, 1, 2]
    alone = train(pairs, VERTICAL, recipe(stages=stages[:1]), tmp_path / "alone", progress=False)
    assert alone.best_epoch == 2
    kept = torch.load(tmp_path / "m" / "checkpoint" / "best.pt", weights_only=True)
    for name, weight in alone.model.module.state_dict().items():
        torch.testing.assert_close(weight, kept[name])


def test_without_validation_searches_it_is_seen_as_well(tmp_path: Path) -> None:
    """At this rate no batch overflows, since one epoch is one batch."""
    pairs = write_pairs(tmp_path / "pairs", num_pairs=100, num_valid=0)
    said = diverged(pairs, tmp_path / "m", optimizer=HUGE)
    assert re.search(
        r"diverged in stage 1, epoch 1: the embedding of document row \d+ has no length; the largest", said
    )


def test_documents_that_cannot_be_told_apart_are_refused_before_training(pairs: Path, tmp_path: Path) -> None:
    features = {"request": ["text"], "document": ["city"]}
    copy = tmp_path / "pairs"
    copy.mkdir()
    for file in pairs.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    documents = pq.read_table(copy / "documents.parquet")
    same = documents.set_column(2, "city", pa.array(["rome"] * len(documents)))
    pq.write_table(same, copy / "documents.parquet")
    said = diverged(copy, tmp_path / "m", towers={"dim": 16, "features": features})
    assert said.startswith("training cannot start: all 300 documents have one embedding")
    assert "recipe, towers.features" in said


def test_a_start_that_is_no_number_is_refused(pairs: Path, tmp_path: Path) -> None:
    start = Model.new(VERTICAL, recipe().plain(), "", {}, 0)
    with torch.no_grad():
        start.module.document.linear.bias[0] = float("nan")
    with pytest.raises(TrainingError, match=r"training cannot start: a weight of document\.linear\.bias is no finite"):
        train(pairs, VERTICAL, recipe(), tmp_path / "m", progress=False, start=start)


def test_lengths_and_likeness() -> None:
    rng = np.random.default_rng(0)
    vectors = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(50, 8)).astype(np.float32)), dim=1)
    assert all_unit(vectors)
    assert not all_alike(vectors)
    assert all_alike(vectors[:1].repeat(5, 1))
    assert not all_alike(vectors[:1])
    for value in (0.0, float("nan"), float("inf")):
        broken = vectors.clone()
        broken[3] = value
        assert not all_unit(broken)
