"""recipe.yaml: strict, complete, and the shipped ones are what they say."""

from importlib import resources
from pathlib import Path

import pytest
import yaml

from alicorn.config import parse_config
from alicorn.errors import ConfigError
from alicorn.training import Recipe
from alicorn.training.recipe import recipe as recipe_module
from alicorn.training.recipe.loss_settings import BPRLoss, TripletLoss


def test_plain_data_reads_back_to_an_equal_recipe() -> None:
    given = Recipe.model_validate({"loss": {"kind": "triplet", "margin": 0.1}, "positives": ["hard"]})
    assert parse_config(given.plain(), Recipe, where="recipe") == given
    assert given.plain()["optimizer"] == {
        "kind": "adam",
        "rate": 0.002,
        "table_rate": 0.05,
        "encoder_rate": 0.0001,
        "clip": None,
    }


def test_the_docstring_shows_the_defaults() -> None:
    assert recipe_module.__doc__ is not None
    shown = yaml.safe_load("\n".join(line for line in recipe_module.__doc__.splitlines() if line.startswith("    ")))
    shown.pop("embedding")
    shown["towers"].pop("features")
    assert parse_config(shown, Recipe, where="docstring") == Recipe()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bacth: 3", "unknown key 'bacth'.*did you mean 'batch'"),
        ("loss: {kind: hinge}", "softmax"),
        ("loss: {kind: triplet, scale: 20}", "unknown key 'scale'"),
        ("negatives: {in_batch: true, online_hard: 2}", "in_batch: false or online_hard: 0"),
        ("negatives: {in_batch: false, random: 0}", "no negative"),
        ("negatives: {random: 5, in_batch: false, log_q: true}", "set in_batch: true"),
        ("negatives: {streaming: {rate: 0.05}}", "set log_q: true"),
        ("{loss: {kind: bpr}, negatives: {interpolated: 3}}", "stage 1: interpolated.*denominator of a softmax"),
        ("{loss: {kind: bpr}, negatives: {log_q: true}}", "stage 1: log_q"),
        (
            "{loss: {kind: softmax, symmetric: true}, negatives: {in_batch: false}}",
            "stage 1: symmetric.*in_batch: true",
        ),
        ("validation: {metric: ndcg}", "auc"),
        ("auxiliary: {queries: 1}", "queries"),
        ("positives: []", "positives"),
        ("positives: [clicks]", "click"),
        ("dropout: 1.0", "dropout"),
        ("epochs: 2.5", "epochs"),
        ("batch: 1", "batch"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        Recipe.load(path)


def test_the_shipped_recipes_differ_in_features_and_key_only() -> None:
    folder = resources.files("alicorn.training")
    unified, text = (
        Recipe.load(Path(str(folder.joinpath(name)))) for name in ("people_recipe.yaml", "people_text_recipe.yaml")
    )
    assert text.embedding == "people-text"
    assert text.towers.features.request == ("text",)
    same = {"embedding": None, "towers": unified.towers}
    assert text.model_copy(update=same) == unified.model_copy(update=same)


@pytest.mark.parametrize(
    "path", sorted(Path(str(resources.files("alicorn.training"))).glob("recipes/*.yaml")), ids=lambda path: path.stem
)
def test_the_named_recipes_can_be_read(path: Path) -> None:
    assert Recipe.load(path) != Recipe()


def test_que2search_is_softmax_and_then_margin_rank_against_the_hardest_of_the_batch() -> None:
    first, second = Recipe.load(
        Path(str(resources.files("alicorn.training"))) / "recipes" / "que2search.yaml"
    ).stage_recipes()
    assert (first.loss.kind, first.validation.metric) == ("softmax", "auc")
    assert second.loss == TripletLoss(kind="triplet", margin=0.15, reduction="sum")
    assert (second.negatives.num_easy(768), second.negatives.online_hard) == (0, 1)


def load(tmp_path: Path, text: str) -> Recipe:
    (tmp_path / "recipe.yaml").write_text(text)
    return Recipe.load(tmp_path / "recipe.yaml")


def test_a_base_is_the_shipped_recipe_but_for_what_the_file_says(tmp_path: Path) -> None:
    shipped = Recipe.load(Path(str(resources.files("alicorn.training"))) / "recipes" / "cbns.yaml")
    assert load(tmp_path, "base: cbns") == shipped
    changed = load(tmp_path, "{base: cbns, batch: 64, negatives: {memory: {size: 9}}}")
    assert (changed.batch, changed.loss, changed.negatives.log_q) == (64, shipped.loss, True)
    assert shipped.negatives.memory is not None
    assert changed.negatives.memory == shipped.negatives.memory.model_copy(update={"size": 9})
    assert "base" not in changed.plain()


def test_a_section_of_another_kind_takes_the_place_of_the_bases(tmp_path: Path) -> None:
    changed = load(tmp_path, "{base: que2search, loss: {kind: bpr}, stages: []}")
    assert changed.loss == BPRLoss(kind="bpr")  # whose scale is its own, and which knows no `symmetric`
    assert changed.stages == ()


def test_a_base_that_is_not_shipped_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no recipe 'que2serch'; did you mean 'que2search'\? recipes: cbns, "):
        load(tmp_path, "base: que2serch")
    with pytest.raises(ConfigError, match=r"recipe\.yaml: unknown key 'bacth'"):
        load(tmp_path, "{base: cbns, bacth: 3}")
