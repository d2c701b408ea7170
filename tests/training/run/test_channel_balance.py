"""The balance of channels before training: what says nothing of the documents asked for counts little."""

from pathlib import Path

import pytest
from training_toy import VERTICAL, recipe, write_pairs

from alicorn.towers import Model
from alicorn.towers.layout.layout import layout
from alicorn.training import Recipe, train
from alicorn.training.examples.data import Pairs
from alicorn.training.run.channel_balance import fit_channel_balance


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ages of searchers and documents have nothing to do with each other."""
    return write_pairs(tmp_path_factory.mktemp("balance") / "pairs", num_pairs=600)


def balance(pairs: Path, given: Recipe, work: Path) -> dict[str, float]:
    read = Pairs(pairs, VERTICAL)
    numbers = read.standardizations(layout(given.towers, VERTICAL))
    model = Model.new(VERTICAL, given.plain(), read.fingerprint, numbers, given.seed)
    start = model.module.state_dict()
    before = {name: start[name].clone() for name in start}
    found = fit_channel_balance(model.module, read.training(model, given, work), given)
    if found:  # the columns of the first channel, and no bias
        first = "document.linear.weight"
        assert start[first][:, :16].allclose(found["document.name"] * before[first][:, :16])
        assert start["document.linear.bias"].equal(before["document.linear.bias"])
    return found


def test_what_says_nothing_counts_little(pairs: Path, tmp_path: Path) -> None:
    found = balance(pairs, recipe(), tmp_path)
    assert found["document.age"] < 0.3 * found["document.name"]
    assert max(found["document.name"], found["document.city"]) == 1
    assert all(0.05 <= factor <= 1 for factor in found.values())


def test_training_starts_from_it(pairs: Path, tmp_path: Path) -> None:
    start = {}
    for balanced in ("fitted", "equal"):
        given = recipe(channel_balance=balanced, epochs=1)
        start[balanced] = train(pairs, VERTICAL, given, tmp_path / balanced, progress=False).epochs[0].recall["1"]
    assert start["fitted"] > start["equal"] + 0.1


def test_channels_that_are_not_concatenated_have_no_balance(pairs: Path, tmp_path: Path) -> None:
    towers = recipe().towers.model_dump(exclude_none=True) | {"fusion": {"kind": "attention"}}
    assert balance(pairs, recipe(towers=towers), tmp_path) == {}
