"""Writes the reference pages and JSON Schemas of this folder, and the Python client of the server.

The files from the classes that read them; tables, the query language and the names of other libraries by pages.py; the
client by client_module.py.

    python docs/reference/generate.py

tests/test_reference.py compares the files with what this writes.
"""

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import yaml
from client_module import client_module, description
from pages import language_page, names_page, tables_page

from alicorn.cli.configuration import ConfigFile, class_of
from alicorn.config import Config
from alicorn.json_schema import classes, default_of, json_schema, sections_of

FOLDER = Path(__file__).parent
EXAMPLES: dict[str, str] = yaml.safe_load((FOLDER / "examples.yaml").read_text(encoding="utf-8"))
MEANINGS: dict[str, dict[str, str]] = yaml.safe_load((FOLDER / "meanings.yaml").read_text(encoding="utf-8"))
PAGES = {"tables": tables_page, "language": language_page, "other-names": names_page}
_TITLES = {
    ConfigFile.VERTICAL: "vertical.yaml, key by key\n\nWhat is searched. Guides: [tables](../tables.md),"
    " [text](../text.md), [the query language](../query-language.md).",
    ConfigFile.RECIPE: "recipe.yaml, key by key\n\nHow it is learned. Guide: [models](../models.md).",
    ConfigFile.FEATURES: "features.yaml, key by key\n\nWhat a ranker knows of a hit. Guide: [ranking](../ranking.md).",
    ConfigFile.RANKING: "ranking.yaml, key by key\n\nThe stages after the search. Guide: [ranking](../ranking.md).",
}


def page(name: ConfigFile) -> str:
    """The Markdown page of a file."""
    lines = [f"# {_TITLES[name]}", ""]
    lines += [
        "Written by `docs/reference/generate.py` from the classes that read the file; do not edit.",
        f"[{name}.schema.json]({name}.schema.json) is the same for editors, and `alicorn schema {name}` prints it.",
        "",
    ]
    known = classes(class_of(name))
    places = _places(known)
    for of, section in known.items():
        prose, meanings = said_of(section)
        lines += [f"## {' or '.join(places[of]) or 'The whole file'}", "", prose, ""]
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        for key in section.model_fields:
            cells = f"`{key}`", _type(section, key), _written_default(section, key), meanings[key]
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", *(line for one in examples(of) for line in ("```yaml", one, "```", ""))]
    return "\n".join(lines)


def examples(name: str) -> list[str]:
    """Those of a section, by its class."""
    return [one.strip("\n") for one in re.split("^---$", EXAMPLES[name], flags=re.MULTILINE)]


def _places(known: dict[str, type[Config]]) -> dict[str, list[str]]:
    """Class -> the keys under which it is written, with its kind where it has one."""
    places: dict[str, list[str]] = {name: [] for name in known}
    for name, one in known.items():
        for key, field in one.model_fields.items():
            for inner in dict.fromkeys(sections_of(field.annotation)):
                kind = inner.model_fields.get("kind")
                values = ", ".join(map(str, get_args(kind.annotation))) if kind is not None else ""
                at = f"`{key}`" + (f" of kind {values}" if values else "")
                if at not in places[inner.__name__] and name != inner.__name__:
                    places[inner.__name__].append(at)
    return places


def said_of(section: type[Config]) -> tuple[str, dict[str, str]]:
    """What is said of the section and of each key: by the docstring, `key: meaning.` until the next key, or here."""
    keys = "|".join(section.model_fields)
    beginning = re.compile(rf"(?:^|(?<=[.;] ))((?:{keys})(?:, (?:{keys}))*): ")
    prose = []
    own = MEANINGS["*"] | MEANINGS.get(section.__name__, {})
    meanings = {key: own[key] for key in section.model_fields if key in own}
    for paragraph in inspect.cleandoc(section.__doc__ or "").split("\n\n"):
        first, *rest = beginning.split(_FILE.sub("", " ".join(paragraph.split())))
        prose += [first.strip()] if first.strip() else []
        for named, meaning in zip(rest[::2], rest[1::2], strict=True):
            said = meaning.strip()
            meanings |= dict.fromkeys(named.split(", "), said) if said else {}
    return "\n\n".join(prose), meanings


def _type(section: type[Config], key: str) -> str:
    return _said(section.model_json_schema()["properties"][key])


def _said(value: dict[str, Any]) -> str:
    """A JSON Schema in words."""
    if "$ref" in value or "oneOf" in value:
        return "section"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " or ".join(f"`{one}`" for one in value["enum"])
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_said(one) for one in value["anyOf"]))
    ends = [f"{said} {value[end]:g}" for end, said in _ENDS.items() if end in value]
    kind = value.get("type", "any value")
    if isinstance(kind, list):
        return " or ".join(_said({"type": one}) for one in kind)
    if kind == "array":
        inner = value.get("prefixItems") or [value["items"]] if "items" in value or "prefixItems" in value else []
        kind = " of ".join(["list", *filter(None, [", ".join(dict.fromkeys(_said(one) for one in inner))])])
    elif kind == "object":
        of = value.get("additionalProperties")
        kind = f"mapping of names to {_said(of)}" if isinstance(of, dict) else "mapping"
    return " ".join([_KINDS.get(kind, kind), *ends[:1], *(f"and {end}" for end in ends[1:])])


# A file of the source that a docstring points to.
_FILE = re.compile(r"(?:(?<=: )|^)[\w/]+\.py[.:]? ?| \([\w/]+\.py\)")
_ENDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
_KINDS = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`", "null": "nothing"}


def _written_default(section: type[Config], key: str) -> str:
    if section.model_fields[key].is_required():
        return "required"
    value = default_of(section, key)
    if isinstance(value, dict) and len(json.dumps(value)) > 60:
        return "as below"
    return "none" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


CLIENT = FOLDER.parents[1] / "src/alicorn/client/api.py"


def client_text() -> str:
    """api.py, formatted as all files are."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(CLIENT), "-"]
    done = subprocess.run(command, input=client_module(description()), capture_output=True, text=True, check=True)
    return done.stdout


def main() -> None:
    CLIENT.write_text(client_text(), encoding="utf-8")
    for name, written in PAGES.items():
        (FOLDER / f"{name}.md").write_text(written(), encoding="utf-8")
    for name in ConfigFile:
        (FOLDER / f"{name}.md").write_text(page(name), encoding="utf-8")
        text = json.dumps(json_schema(class_of(name), f"{name}.yaml of alicorn"), indent=1, ensure_ascii=False)
        (FOLDER / f"{name}.schema.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
