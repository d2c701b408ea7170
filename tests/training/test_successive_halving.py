"""A search finds a better recipe than a bad one, goes on where it was killed, and says what it tried."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from training_toy import VERTICAL, recipe, write_pairs

from alicorn.config import parse_config
from alicorn.errors import ConfigError
from alicorn.towers import Model
from alicorn.training import Recipe, search_recipe, seconds_of
from alicorn.training.recipe.base import names, with_base
from alicorn.training.search_space import changes, described
from alicorn.training.successive_halving import GIVEN, RecipeTrial, gain_of_choosing, markdown, verdict

BAD = recipe(optimizer={"rate": 1e-6, "table_rate": 1e-6}, epochs=6)
"""It learns nothing."""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("halving") / "pairs", 600, 60)


@pytest.fixture
def few() -> Iterator[None]:
    """Two recipes beside the one given: one learns, the other does not."""
    learns = {"linear": ({"towers": {"hidden": 0}},), "learns": ({"optimizer": {"rate": 0.01, "table_rate": 0.1}},)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alicorn.training.search_space._CHANGES", learns)
        yield


@pytest.mark.parametrize(("budget", "seconds"), [("90s", 90), ("20m", 1200), ("2h", 7200), (" 5m ", 300)])
def test_a_budget_is_a_number_and_a_unit(budget: str, seconds: int) -> None:
    assert seconds_of(budget) == seconds


@pytest.mark.parametrize("budget", ["", "20", "m", "0m", "-5m", "1.5h", "20 minutes", "2d"])
def test_another_budget_is_refused(budget: str) -> None:
    with pytest.raises(ConfigError, match=r"such as 90s, 20m or 2h; got"):
        seconds_of(budget)


def test_every_change_is_a_recipe_that_differs(few: None) -> None:
    found = changes(BAD)
    assert set(found) == {"linear", "learns"}
    assert found["linear"].towers.hidden == 0 == changes(found["linear"])["learns"].towers.hidden
    assert "linear" not in changes(found["linear"])
    assert described("linear") == "{towers: {hidden: 0}}"
    assert described(GIVEN) == ""


@pytest.mark.parametrize("base", names())
def test_every_shipped_recipe_has_others_near_it(base: str) -> None:
    given = parse_config(with_base({"base": base}, base), Recipe, where=base)
    found = changes(given)
    assert len(found) > 8
    assert all(one.negatives.in_batch for name, one in found.items() if "log_q" in name)


def test_it_finds_the_recipe_that_learns_and_goes_on_after_a_kill(pairs: Path, tmp_path: Path, few: None) -> None:
    told: list[str] = []
    whole = search_recipe(pairs, VERTICAL, BAD, tmp_path / "whole", 600, told.append)
    record = json.loads((tmp_path / "whole" / "search.json").read_text())
    assert record["chosen"] == "learns"
    assert [(one["rung"], one["name"]) for one in record["trials"]] == [
        (0, GIVEN), (0, "linear"), (0, "learns"), (1, GIVEN), (1, "learns"),
    ]  # fmt: skip
    assert "3 of 3 recipes" in told[2]
    learned, chosen = Recipe.load(tmp_path / "whole" / "recipe.yaml"), changes(BAD)["learns"]
    assert learned.model_copy(update={"towers": chosen.towers}) == chosen  # but for the sizes of tables, written out
    row = next(line for line in (tmp_path / "whole" / "search.md").read_text().splitlines() if "| learns | 5 |" in line)
    assert row.endswith("| {optimizer: {rate: 0.01, table_rate: 0.1}} |")
    assert not (tmp_path / "whole" / "search").exists()

    def killed(line: str) -> None:
        raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            search_recipe(pairs, VERTICAL, BAD, tmp_path / "cut", 600, killed, resume=True)
    resumed = search_recipe(pairs, VERTICAL, BAD, tmp_path / "cut", 600, resume=True)
    assert resumed.model.fingerprint == whole.model.fingerprint == Model.load(tmp_path / "cut").fingerprint
    again = search_recipe(pairs, VERTICAL, BAD, tmp_path / "cut", 600, killed, resume=True)
    assert again.model.fingerprint == whole.model.fingerprint
    with pytest.raises(ConfigError, match="another budget"):
        search_recipe(pairs, VERTICAL, BAD, tmp_path / "cut", 60, resume=True)
    with pytest.raises(ConfigError, match="already holds"):
        search_recipe(pairs, VERTICAL, BAD, tmp_path / "cut", 600)


def test_a_small_budget_tries_the_recipe_given_and_learns_with_it(pairs: Path, tmp_path: Path, few: None) -> None:
    told: list[str] = []
    search_recipe(pairs, VERTICAL, recipe(epochs=1), tmp_path / "m", 0, told.append)
    assert json.loads((tmp_path / "m" / "search.json").read_text())["chosen"] == GIVEN
    assert len(told) == 3


def test_without_searches_to_choose_by_nothing_is_left(tmp_path: Path, few: None) -> None:
    pairs = write_pairs(tmp_path / "pairs", 100, 0)
    with pytest.raises(ConfigError, match="no search with a target"):
        search_recipe(pairs, VERTICAL, BAD, tmp_path / "m", 600)


def test_the_gain_of_choosing_is_told_by_searches_that_did_not_choose() -> None:
    """Two recipes that are good by chance on one half each are worth nothing; one that is better everywhere is."""
    given = RecipeTrial(1, GIVEN, 5, 4, [0.5, 0.5] * 20, 1.0)
    even = RecipeTrial(1, "even", 5, 4, [1.0, 0.4] * 20, 1.0)
    odd = RecipeTrial(1, "odd", 5, 4, [0.4, 1.0] * 20, 1.0)
    assert gain_of_choosing({one.name: one for one in (given, even, odd)}).mean == pytest.approx(-0.1)
    better = RecipeTrial(1, "better", 5, 4, [1.0, 0.9] * 20, 1.0)
    assert gain_of_choosing({one.name: one for one in (given, better)}).low > 0.4
    assert "may be chance" in verdict([given, even, odd], "even")
    assert "chance" not in verdict([given, better], "better")


def test_the_table_has_the_best_first_and_what_diverged_last() -> None:
    given = RecipeTrial(1, GIVEN, 5, 4, [0.0, 1.0] * 20, 1.0)
    better = RecipeTrial(1, "better", 5, 4, [1.0, 1.0] * 20, 1.0)
    lost = RecipeTrial(1, "lost", 5, 0, [], 1.0)
    lines = markdown([given, lost, better], "better", 10).splitlines()[-3:]
    assert lines[0].startswith("| better | 5 | 4 | 1.000 | +0.500 [+0.")
    assert lines[1].startswith("| as given | 5 | 4 | 0.500 |  |")
    assert lines[2].startswith("| lost | 5 | 0 | diverged |  |")
