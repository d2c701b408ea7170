"""The reference pages are what the classes that read the files say: every key, with a meaning and an example."""

import json
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from alicorn.cli import app
from alicorn.cli.configuration import ConfigFile, class_of
from alicorn.config import parse_config
from alicorn.json_schema import classes, json_schema

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
sys.path.insert(0, str(FOLDER))
import generate  # noqa: E402 (a script beside the pages)

SECTIONS = {name: one for file in ConfigFile for name, one in classes(class_of(file)).items()}


@pytest.mark.parametrize("file", ConfigFile)
def test_the_pages_are_up_to_date(file):
    """Where this fails: python docs/reference/generate.py."""
    assert (FOLDER / f"{file}.md").read_text(encoding="utf-8") == generate.page(file)
    assert json.loads((FOLDER / f"{file}.schema.json").read_text(encoding="utf-8")) == json_schema(
        class_of(file), f"{file}.yaml of alicorn"
    )


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_has_a_meaning_and_every_section_an_example_that_is_read(name):
    section = SECTIONS[name]
    missing = [key for key in section.model_fields if not generate.said_of(section)[1].get(key)]
    assert not missing, f"say what {missing} of {name} mean: in its docstring, or in docs/reference/meanings.yaml"
    example = yaml.safe_load(generate.EXAMPLES[name])
    assert parse_config(example, section, where=name).model_dump(exclude_unset=True)


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
