"""A configuration as JSON Schema, and its sections one by one: for editors, and for the pages of docs/reference/."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from alicorn.config import Config


def json_schema(root: type[Config], title: str) -> dict[str, Any]:
    """JSON Schema, draft 2020-12. Defaults are as YAML has them."""
    whole = root.model_json_schema()
    known = classes(root)
    for name, section in [(root.__name__, whole), *whole.get("$defs", {}).items()]:
        for key, value in section.get("properties", {}).items():
            value.pop("title", None)
            if "default" in value:
                value["default"] = default_of(known[name], key)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return head | {key: value for key, value in whole.items() if key != "title"}


def classes(root: type[Config]) -> dict[str, type[Config]]:
    """The class of a file and those of its sections, by name, in the order in which the file reaches them."""
    found: dict[str, type[Config]] = {}
    pending = [root]
    while pending:
        one = pending.pop(0)
        if one.__name__ not in found:
            found[one.__name__] = one
            pending += [inner for field in one.model_fields.values() for inner in sections_of(field.annotation)]
    return found


def sections_of(annotation: Any) -> Iterator[type[Config]]:
    """The classes of sections that a key may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        yield annotation
    for inner in get_args(annotation):
        yield from sections_of(inner)


def default_of(section: type[Config], key: str) -> Any:
    """The default of a key, as JSON has it."""
    value = section.model_fields[key].get_default(call_default_factory=True)
    return section.model_construct(**{key: value}).model_dump(mode="json", include={key}, warnings=False)[key]
