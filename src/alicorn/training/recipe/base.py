"""Recipes by name: the shipped ones in recipes/, and `base`, by which a recipe file starts from one. Part of recipe.py.

    base: que2search
    batch: 512                                # instead of the base's
    negatives: {log_q: true}                  # beside what the base says of negatives
    stages: []                                # a list takes the place of the base's

A mapping is merged into that of the base key by key, and keys deep within as well; one whose `kind` differs from the
base's takes its place as a whole. The model keeps the merged recipe, every key written out.
"""

from importlib import resources
from pathlib import Path
from typing import Any

from alicorn.config import did_you_mean, plain_yaml
from alicorn.errors import ConfigError

_FOLDER = Path(str(resources.files("alicorn.training"))) / "recipes"


def names() -> list[str]:
    """Of the shipped recipes."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def with_base(data: Any, where: str) -> Any:
    """Plain data of a recipe file, merged into its base; as it is where it names none. Raises ConfigError."""
    if not isinstance(data, dict) or "base" not in data:
        return data
    name = data["base"]
    if name not in names():
        raise ConfigError(
            f"{where}: base: there is no recipe '{name}'; {did_you_mean(str(name), names())}"
            f"recipes: {', '.join(names())}"
        )
    base = plain_yaml((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), where=f"{name}.yaml")
    return merged(base, {key: value for key, value in data.items() if key != "base"})


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Plain data of a recipe with changes, by the rule above."""
    result = dict(base)
    for key, value in changes.items():
        before = base.get(key)
        if isinstance(before, dict) and isinstance(value, dict) and value.get("kind") in (None, before.get("kind")):
            result[key] = merged(before, value)
        else:
            result[key] = value
    return result
