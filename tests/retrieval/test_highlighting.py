"""Highlights of a hit: in every stored column that is read as words, and in the elements of a list."""

import pytest
from yaml_text import parse_yaml

from alicorn.errors import AlicornError
from alicorn.retrieval.highlighting import Highlighter, Place, marked_values
from alicorn.vertical import Vertical

YAML = """
name: shop
embedding: shop
document:
  features: {title: {kind: text, column: title}}
  terms: [{prefix: text, column: title, kind: words}, {prefix: pairs, column: title, kind: words}]
  stored: [title]
request:
  features: {text: {kind: text, column: query}}
split: {valid: 0.1}
analysis: {text: {stem: english}, pairs: {word_ngrams: 2}}
"""


def shop() -> Vertical:
    return parse_yaml(YAML, Vertical, where="vertical.yaml")


def test_a_column_of_two_prefixes_and_the_elements_of_a_list():
    highlighter = Highlighter(shop())
    document = {"title": ["Red shoes", "new York shoe", None, "none"], "other": "shoes"}
    places = highlighter.places(document, ["text:shoe", "pairs:new york", "other:red"])
    assert places == {"title": [Place(4, 9, 0), Place(0, 8, 1), Place(9, 13, 1)]}
    assert marked_values(document, places, "<", ">") == {"title": ["Red <shoes>", "<new York> <shoe>"]}
    assert highlighter.places({"title": None}, ["text:shoe"]) == {}


def test_what_cannot_be_highlighted_is_said():
    with pytest.raises(AlicornError, match="give a model"):
        Highlighter(None)
    vertical = shop()
    bare = vertical.model_copy(update={"document": vertical.document.model_copy(update={"stored": ()})})
    with pytest.raises(AlicornError, match=r"add one of title to document\.stored"):
        Highlighter(bare)
