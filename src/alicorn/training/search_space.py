"""The recipes that a search tries: a fixed list of changes to the recipe given, the most promising ones first."""

from typing import Any

from alicorn.training.recipe.base import merged
from alicorn.training.recipe.recipe import Recipe

_LINEAR = {"towers": {"hidden": 0}}
_WIDE = {"towers": {"dim": 128}}
_LOG_Q = {"negatives": {"log_q": True}}
_SMALL_BATCHES = {"batch": 256}
_SLOW_TABLES = {"optimizer": {"table_rate": 0.01}}
_SLOW = {"optimizer": {"rate": 0.0005}}
_SOFT = {"loss": {"kind": "softmax", "scale": 12}}
_SHARP = {"loss": {"kind": "softmax", "scale": 30}}
_DROPOUT = {"dropout": 0.4}
_NON_CLICKS = {"negatives": {"non_click": 1}}


def _together(*parts: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for part in parts:
        changed = merged(changed, part)
    return changed


_CHANGES: dict[str, dict[str, Any]] = {
    "wide, linear": _together(_WIDE, _LINEAR),
    "small batches": _SMALL_BATCHES,
    "log_q": _LOG_Q,
    "slow tables": _SLOW_TABLES,
    "more dropout": _DROPOUT,
    "soft": _SOFT,
    "sharp": _SHARP,
    "non-clicks": _NON_CLICKS,
    "wide, linear, log_q, small batches": _together(_WIDE, _LINEAR, _LOG_Q, _SMALL_BATCHES),
    "wide, linear, slow": _together(_WIDE, _LINEAR, _SLOW),
    "wide, small batches, slow tables": _together(_WIDE, _SMALL_BATCHES, _SLOW_TABLES),
    "wide, linear, small batches, soft": _together(_WIDE, _LINEAR, _SMALL_BATCHES, _SOFT),
    "small batches, log_q, slow tables, more dropout": _together(_SMALL_BATCHES, _LOG_Q, _SLOW_TABLES, _DROPOUT),
}


def changes(recipe: Recipe) -> dict[str, Recipe]:
    """By name the recipes to try beside the one given; those that change nothing are left out."""
    found = {}
    for name, change in _CHANGES.items():
        changed = Recipe.model_validate(merged(recipe.plain(), change))
        if changed != recipe:
            found[name] = changed
    return found
