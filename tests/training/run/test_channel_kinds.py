"""Every kind of channel and table learns in the one training loop, and an interrupted run ends in the same bits."""

from pathlib import Path
from typing import Any

import pytest
from training_toy import VERTICAL, recipe, write_pairs

from alicorn.training import Epoch, train

KINDS = {
    "fusion": {"kind": "attention"},
    "tables": {
        "text": {"buckets": 2000, "dim": 16},
        "city": {"kind": "dhe", "dim": 8, "hashes": 32, "width": 16, "layers": 2},
    },
    "channels": {
        "request.text": {"kind": "transformer", "layers": 1, "heads": 2, "dim": 16, "tokens": "trigrams"},
        "document.name": {"kind": "shared", "channel": "request.text"},
        "request.age": {"kind": "autodis", "dim": 4},
        "document.age": {"kind": "bins", "dim": 4},
    },
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("kinds") / "pairs")


def test_all_kinds_together_learn_and_resume_to_the_same_bits(pairs: Path, tmp_path: Path) -> None:
    given = recipe(towers={"dim": 16, **KINDS}, optimizer={"rate": 0.01}, epochs=3)
    whole = train(pairs, VERTICAL, given, tmp_path / "whole", progress=False)
    assert whole.epochs[whole.best_epoch].recall["1"] > 0.6 > whole.epochs[0].recall["1"]

    def interrupt(epoch: Epoch) -> None:
        if epoch.number == 1:
            raise KeyboardInterrupt

    run: tuple[Any, ...] = (pairs, VERTICAL, given, tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        train(*run, progress=False, on_epoch=interrupt)
    resumed = train(*run, progress=False, resume=True)
    assert resumed.model.fingerprint == whole.model.fingerprint


def test_a_deep_hash_tells_cities_apart_as_a_table_does(pairs: Path, tmp_path: Path) -> None:
    tables = {"text": KINDS["tables"]["text"], "city": KINDS["tables"]["city"]}  # type: ignore[index]
    for kind, given in (("dhe", tables), ("table", {"text": tables["text"]})):
        towers = {"dim": 16, "hidden": 8, "tables": given}
        trained = train(pairs, VERTICAL, recipe(towers=towers), tmp_path / kind, progress=False)
        assert trained.epochs[trained.best_epoch].recall["1"] > 0.75, kind  # text alone stays below 0.55: test_loop
