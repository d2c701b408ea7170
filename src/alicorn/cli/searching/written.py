"""The texts of --order-by and --facet: what they ask for."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from alicorn.errors import ConfigError

if TYPE_CHECKING:
    from alicorn.query import Facet


def order_key(text: str) -> str | dict[str, Any]:
    from alicorn.tables import JsonError, parse_json

    if text.lstrip().startswith("{"):
        try:
            written: dict[str, Any] = parse_json(text)
        except JsonError as error:
            raise ConfigError(f"--order-by: not valid JSON: {error}") from error
        return written
    if "=" not in text:
        return text
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            raise ConfigError(f"--order-by: expected name=weight, such as nn=0.7,bm25=0.3, got {part!r}") from None
    return weights


def facets_of(texts: Sequence[str]) -> dict[str, Facet]:
    """The facets of --facet by column or prefix."""
    facets: dict[str, Facet] = {}
    for text in texts:
        name, facet = _facet(text)
        if name in facets:
            raise ConfigError(f"--facet: {name[:40]!r} is given twice; ask once for each column or prefix")
        facets[name] = facet
    return facets


def _edge(text: str) -> float | str:
    """A number, or what may be a time."""
    try:
        return float(text)
    except ValueError:
        return text.strip()


def _facet(text: str) -> tuple[str, Facet]:
    """A facet and its column or prefix: NAME, NAME:top=20, NAME:edges=10,50 or NAME:interval=5."""
    from alicorn.query import Facet

    found = re.fullmatch(r"(.+?)(?::(top|edges|interval)=(.*))?", text, re.DOTALL)
    if found is None:
        raise ConfigError("--facet: give a column, or a prefix of terms such as tag:, got an empty text")
    name, option, given = found.groups()
    is_prefix = name.endswith(":")
    facet = Facet(prefix=name) if is_prefix else Facet(name)
    try:
        if option == "top":
            return name, dataclasses.replace(facet, top=int(given))
        if option == "edges":
            return name, dataclasses.replace(facet, edges=tuple(map(_edge, given.split(","))))
    except ValueError:
        raise ConfigError(
            f"--facet: expected a whole number after :top=, such as brand:top=20, got {text[:80]!r}"
        ) from None
    return name, facet if option is None else dataclasses.replace(facet, interval=_interval(given))


def _interval(text: str) -> Any:
    """A width, or a text for the unit of a calendar, which the facet checks."""
    try:
        return float(text)
    except ValueError:
        return text
