"""Training by several processes is training by one: losses, gradients and what is measured, whatever the negatives."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_toy import VERTICAL, recipe, write_pairs

from alicorn.publishing.shard_search import search_shard
from alicorn.training import Recipe, train
from alicorn.training.ranks import ALONE, Ranks, launched
from alicorn.training.run import run as running
from alicorn.training.run.optimizer import Optimizers

RECIPES: dict[str, dict[str, Any]] = {
    "in-batch, logQ, remembered, interpolated, dropped": {
        "loss": {"kind": "softmax", "scale": 20.0},
        "negatives": {"random": 32, "log_q": True, "memory": {"size": 200, "warm_up": 2}, "interpolated": 2},
        "dropout": 0.1,
    },
    "streamed logQ, both ways": {
        "loss": {"kind": "softmax", "symmetric": True},
        "negatives": {"random": 8, "log_q": True, "streaming": {}},
    },
    "the hardest of the batch, mined ones": {
        "loss": {"kind": "triplet", "margin": 0.3},
        "negatives": {"random": 16, "in_batch": False, "online_hard": 2},
        "stages": [{}, {"negatives": {"random": 16, "mined": {"ranks": [2, 20], "per_positive": 2, "shard": 0.7}}}],
        "optimizer": {"rate": 0.002, "table_rate": 0.05, "clip": 0.5},
    },
}


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("rows", [1, 3, 4, 128, 129])
def test_every_row_is_of_one_process(rows: int, size: int) -> None:
    shares = [Ranks(rank, size).own(rows) for rank in range(size)]
    assert [row for share in shares for row in range(rows)[share]] == list(range(rows))
    assert all(len(range(rows)[Ranks(rank, size).encoded(rows)]) >= 1 for rank in range(size))


def test_alone_gathers_and_waits_for_nothing() -> None:
    part = torch.ones(3, 2)
    assert ALONE.gathered(part, 3) is part
    assert ALONE.by_first(lambda: 5) == 5
    ALONE.wait()
    assert launched() == ALONE


@pytest.mark.slow
def test_several_processes_learn_what_one_learns(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", num_pairs=500)
    alone = _by_processes(1, pairs, tmp_path / "1")
    for size in (2, 4):
        together = _by_processes(size, pairs, tmp_path / str(size))
        for name, one in alone.items():
            several = together[name]
            assert len(one["gradients"]) == len(several["gradients"]) == 3
            for ours, theirs in zip(one["gradients"], several["gradients"], strict=True):
                np.testing.assert_allclose(theirs, ours, rtol=1e-6, atol=1e-6)
            assert several["losses"] == pytest.approx(one["losses"], rel=1e-5), "of epochs: steps add up"
            assert several["losses"][0] == pytest.approx(one["losses"][0], rel=1e-6)
            assert several["recall"] == pytest.approx(one["recall"], abs=0.02), "a tie may fall the other way"


def _by_processes(size: int, pairs: Path, out: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    out.mkdir()
    subprocess.run([*command, __file__, str(pairs), str(out)], check=True, env=environment, timeout=600)
    return json.loads((out / "found.json").read_text())


def _main(pairs: Path, out: Path) -> None:
    """What each process does: it trains by all recipes, and keeps the gradients of the first batches."""
    ranks, found = launched(), {}
    for number, (name, changes) in enumerate(RECIPES.items()):
        gradients: list[list[float]] = []
        running.Optimizers = _watched(gradients)  # type: ignore[misc]
        given: Recipe = recipe(**changes, epochs=2)
        trained = train(pairs, VERTICAL, given, out / str(number), progress=False, search=search_shard)
        losses = [epoch.loss for epoch in trained.epochs[1:]]
        recall = [epoch.recall["1"] for epoch in trained.epochs]
        found[name] = {"gradients": gradients, "losses": losses, "recall": recall}
    if ranks.is_first:
        (out / "found.json").write_text(json.dumps(found))


def _watched(gradients: list[list[float]]) -> type[Optimizers]:
    class Watched(Optimizers):
        def step(self) -> None:
            if self._ranks.size > 1:
                self._add_up()
            if len(gradients) < 3:
                dense = [value.grad.ravel() for value in self._encoding if value.grad is not None]
                summed = [value for table in self._tables for value in _by_row(table)]
                gradients.append([*torch.cat(dense).tolist(), *summed])
            self._ranks, ranks = ALONE, self._ranks  # they are added up
            super().step()
            self._ranks = ranks

    return Watched


def _by_row(table: Any) -> list[float]:
    gradient = table.row_gradient
    return gradient.values[np.argsort(gradient.rows)].ravel().tolist()


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
