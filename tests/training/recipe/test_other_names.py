"""Names that people bring from other libraries are refused with what to write here."""

import pytest

from alicorn.config import parse_config
from alicorn.errors import ConfigError
from alicorn.training import Recipe
from alicorn.training.recipe.other_names import OTHER_NAMES
from alicorn.vertical import Vertical

FEATURE = {"name": "shop", "embedding": "shop", "split": {"valid": 0.1}, "request": {"features": {}}}


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"learning_rate": 0.1}, "unknown key 'learning_rate' at top level; write `optimizer: {rate: ..."),
        ({"loss": {"kind": "InfoNCE"}}, "got 'InfoNCE': write `loss: {kind: softmax, scale: ...}`"),
        (
            {"loss": {"kind": "softmax", "temperature": 0.05}},
            "at loss; write `loss: {kind: softmax, scale: ...}`, where",
        ),
        ({"optimizer": {"lr": 0.1}}, "unknown key 'lr' at optimizer; write `optimizer: {rate"),
        ({"loss": {"scale": 3.0}}, "loss: say which kind it is, kind: ...; got {'scale': 3.0}"),
        ({"epoch": 3}, "unknown key 'epoch' at top level; did you mean 'epochs'?"),
    ],
)
def test_of_a_recipe(recipe, said):
    with pytest.raises(ConfigError) as refused:
        parse_config(recipe, Recipe, where="recipe.yaml")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        ({"kind": "keyword", "column": "brand"}, "got 'keyword': write `{kind: id, column: ...}`"),
        ({"type": "text", "column": "title"}, "document.features.title: say which kind it is, kind: ..."),
        ({"kind": "text", "field": "title"}, "unknown key 'field' at document.features.title; write `column: ...`"),
    ],
)
def test_of_a_vertical(feature, said):
    with pytest.raises(ConfigError) as refused:
        parse_config({**FEATURE, "document": {"features": {"title": feature}}}, Vertical, where="vertical.yaml")
    assert said in str(refused.value)


def test_no_name_of_ours_is_among_them():
    ours = set(Recipe.model_fields) | {"softmax", "triplet", "bpr", "margin_mse"}
    assert not ours & set(OTHER_NAMES)
