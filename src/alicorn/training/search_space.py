"""The recipes that a search tries: a fixed list of changes to the recipe given, the most promising ones first.

What is varied, and by how much, is what moved recall on the logs of benchmarks/learning/defaults.py (decisions 057 and
097): the rate, width, logQ, how fast embedding tables learn, the size of a batch; then the rest, alone and together.
"""

from typing import Any

import yaml
from pydantic import ValidationError

from alicorn.training.recipe.base import merged
from alicorn.training.recipe.recipe import Recipe

_SLOW_TABLES = {"optimizer": {"table_rate": 0.01}}
_FAST_TABLES = {"optimizer": {"table_rate": 0.1}}
_LOG_Q = {"negatives": {"log_q": True}}
_WIDE = {"towers": {"dim": 256}}
_LARGE_BATCHES = {"batch": 1024}
_SLOW = {"optimizer": {"rate": 0.0005}}
_DROPOUT = {"dropout": 0.4}
_SOFT = {"loss": {"kind": "softmax", "scale": 12}}

_CHANGES: dict[str, tuple[dict[str, Any], ...]] = {
    "slow": (_SLOW,),
    "wide": (_WIDE,),
    "log_q": (_LOG_Q,),
    "fast tables": (_FAST_TABLES,),
    "slow tables": (_SLOW_TABLES,),
    "large batches": (_LARGE_BATCHES,),
    "log_q, wide": (_LOG_Q, _WIDE),
    "slow tables, wide": (_SLOW_TABLES, _WIDE),
    "more dropout": (_DROPOUT,),
    "soft": (_SOFT,),
    "sharp": ({"loss": {"kind": "softmax", "scale": 30}},),
    "hidden layer": ({"towers": {"hidden": 128}},),
    "non-clicks": ({"negatives": {"non_click": 1}},),
    "narrow": ({"towers": {"dim": 64}},),
    "fast tables, log_q": (_FAST_TABLES, _LOG_Q),
    "slow tables, more dropout": (_SLOW_TABLES, _DROPOUT),
    "large batches, fast tables": (_LARGE_BATCHES, _FAST_TABLES),
    "log_q, soft, slow": (_LOG_Q, _SOFT, _SLOW),
}


def changes(recipe: Recipe) -> dict[str, Recipe]:
    """By name the recipes to try beside the one given. Changes that change nothing, or do not fit, are left out."""
    found = {}
    for name, parts in _CHANGES.items():
        plain = recipe.plain()
        for part in parts:
            plain = merged(plain, part)
        try:
            changed = Recipe.model_validate(plain)
        except ValidationError:  # such as logQ without in-batch negatives
            continue
        if changed != recipe:
            found[name] = changed
    return found


def described(name: str) -> str:
    """A change as a recipe file has it, in one line: `{optimizer: {rate: 0.0005}}`; empty for no change."""
    plain: dict[str, Any] = {}
    for part in _CHANGES.get(name, ()):
        plain = merged(plain, part)
    written: str = yaml.safe_dump(plain, default_flow_style=True, width=1000)
    return written.strip() if plain else ""
