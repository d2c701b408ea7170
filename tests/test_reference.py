"""The reference pages are what the classes that read the files say: every key, with a meaning and an example."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
import yaml
from typer.testing import CliRunner

from alicorn import Collection
from alicorn.cli import app
from alicorn.cli.configuration import ConfigFile, class_of
from alicorn.config import parse_config
from alicorn.json_schema import classes, json_schema
from alicorn.language.order import read_order
from alicorn.language.parse import parse
from alicorn.language.templates import Template
from alicorn.language.tree import OPERATORS, walk
from alicorn.logs import read_logs
from alicorn.logs.tables.contract import CONTRACT, Presence
from alicorn.vertical import Vertical

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
sys.path.insert(0, str(FOLDER))
import generate  # noqa: E402 (scripts beside the pages)
import pages  # noqa: E402

SECTIONS = {name: one for file in ConfigFile for name, one in classes(class_of(file)).items()}


@pytest.mark.parametrize("file", ConfigFile)
def test_the_pages_are_up_to_date(file):
    """Where this fails: python docs/reference/generate.py."""
    assert (FOLDER / f"{file}.md").read_text(encoding="utf-8") == generate.page(file)
    assert json.loads((FOLDER / f"{file}.schema.json").read_text(encoding="utf-8")) == json_schema(
        class_of(file), f"{file}.yaml of alicorn"
    )


@pytest.mark.parametrize("name", generate.PAGES)
def test_the_pages_on_tables_and_language_are_up_to_date(name):
    assert (FOLDER / f"{name}.md").read_text(encoding="utf-8") == generate.PAGES[name]()


def test_the_client_is_up_to_date():
    assert generate.CLIENT.read_text(encoding="utf-8") == generate.client_text()


VERTICAL = """
name: shop
embedding: shop
document:
  features: {title: {kind: text, column: title}}
  terms: [{prefix: text, column: title, kind: words}]
  stored: [brand, price, tags]
request:
  context: [device]
  features: {text: {kind: text, column: query}, city: {kind: id, column: city}, device: {kind: id, column: device}}
split: {valid: 0.1, test: 0.1}
actions: {click: 1, purchase: 3}
"""


@pytest.mark.parametrize("left_out", [("searches", "shown", "events"), ("impressions",)], ids=["simple", "full"])
def test_the_examples_of_the_tables_are_a_log(tmp_path, left_out):
    for name in pages.TABLES.keys() - set(left_out):
        (tmp_path / f"{name}.csv").write_text(pages.TABLES[name])
    with read_logs(tmp_path, parse_config(yaml.safe_load(VERTICAL), Vertical, where="vertical.yaml")) as logs:
        assert logs.counts.keys() == pages.TABLES.keys() - set(left_out)
        assert logs.impressions.count().to_pyarrow().as_py() > 2
    for name, columns in CONTRACT.items():
        header = pages.TABLES[name].split("\n")[0].split(",")
        assert {one.name for one, presence in columns.items() if presence is not Presence.CHECKED} <= set(header), name


def test_every_operator_hole_and_order_has_an_example_that_is_read():
    assert pages.LANGUAGE["operators"].keys() == OPERATORS.keys()
    for name, example in pages.LANGUAGE["operators"].items():
        found = [node.operator for text in example.split(", ") for node in walk(parse(text))]
        assert name in found, example
    for hole, (example, _) in pages.LANGUAGE["holes"].items():
        assert hole.split()[0] in example
        Template.parse(example)
    for order in pages.LANGUAGE["orders"]:
        read_order(json.loads(order))


def test_every_notice_that_an_expression_gives_is_that_of_its_example(tmp_path):
    rows = {"doc_id": ["a", "b"], "terms": [["text:red", "text:boots"], ["text:shoe", "text:boot"]]}
    columns = {"related": [["b"], ["a"]], "embedding:shop": [[1.0, 0.0], [0.0, 1.0]]}
    with Collection.create(tmp_path / "c", embeddings={"shop": 2}) as collection:
        collection.upsert(pa.table(rows | columns))
        for expression, said in pages.LANGUAGE["notices"].items():
            if expression.startswith("("):
                vectors = {"shop": [1.0, 0.0]} if "nn" in expression else {}
                assert collection.search(expression, vectors).notices == (said,), expression


def test_what_is_said_of_other_names_is_of_keys_that_there_are():
    """`optimizer: {rate: ...}` is a key of a recipe; the kinds are those of the class that reads them."""
    for file in ConfigFile:
        known = classes(class_of(file))
        keys = {key for one in known.values() for key in one.model_fields}
        names = class_of(file).other_names
        for name, write in names.items():
            for code in re.findall(r"`([^`]*:[^`]*)`", write):
                assert set(re.findall(r"(\w+): ", code)) - {"hybrid", "nn", "bm25", "text"} <= keys, (file, name, write)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_has_a_meaning_and_an_example_that_is_read(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "shop.rules", SimpleNamespace(score=lambda hits: hits["score"]))
    section = SECTIONS[name]
    missing = [key for key in section.model_fields if not generate.said_of(section)[1].get(key)]
    assert not missing, f"say what {missing} of {name} mean: in its docstring, or in docs/reference/meanings.yaml"
    read = [yaml.safe_load(text) for text in generate.examples(name)]
    for example in read:
        parse_config(example, section, where=name)
    assert {key for example in read for key in example} == set(section.model_fields), (
        f"an example of every key of {name}"
    )


def test_nothing_is_said_of_what_is_not_there():
    assert set(generate.EXAMPLES) == set(SECTIONS)
    for name, keys in generate.MEANINGS.items():
        known = (
            SECTIONS[name].model_fields
            if name != "*"
            else [key for one in SECTIONS.values() for key in one.model_fields]
        )
        assert set(keys) <= set(known), name


def test_the_verb_prints_the_schema():
    printed = CliRunner().invoke(app, ["schema", "vertical"])
    assert printed.exit_code == 0, printed.output
    found = json.loads(printed.output)
    assert found["properties"]["expressions"]["default"]["boolean"] == "(and {terms})"
    assert "additionalProperties" in found  # a key that is not known is marked by an editor
