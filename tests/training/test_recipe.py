"""recipe.yaml: strict, complete, and the shipped ones are what they say."""

from importlib import resources
from pathlib import Path

import pytest
import yaml

from alicorn.config import parse_config
from alicorn.errors import ConfigError
from alicorn.training import Recipe
from alicorn.training import recipe as recipe_module


def test_plain_data_reads_back_to_an_equal_recipe() -> None:
    given = Recipe.model_validate({"loss": {"kind": "triplet", "margin": 0.1}, "positives": ["hard"]})
    assert parse_config(given.plain(), Recipe, where="recipe") == given
    assert given.plain()["optimizer"] == {"rate": 0.002, "table_rate": 0.05, "encoder_rate": 0.0001}


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
