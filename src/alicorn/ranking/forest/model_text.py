"""The model text of LightGBM 4 (version v4): its trees, as far as they are trees of numerical splits.

    tree                                         the head: key=value lines up to an empty line
    version=v4 ... feature_names=a b ...
    Tree=0                                       of each tree: key=value lines, lists separated by blanks
    num_leaves=7 ... split_feature=0 1 ...
    end of trees                                 importances and parameters follow, which decide no score

Inner nodes are numbered from 0 in each tree; a child below 0 is leaf ~child. `decision_type` of a node: bit 0
categorical, bit 1 a missing value goes left, bits 2 and 3 what counts as missing (MISSING_NONE, _ZERO, _NAN).
Whatever is not known here is refused: a part that is passed over would change scores in silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alicorn.errors import ModelError

MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2
TINY = float(np.float32(1e-35))
"""LightGBM's kZeroThreshold: what is no farther from 0 is 0."""

OBJECTIVES = ("lambdarank", "rank_xendcg", "regression")
"""Those whose prediction is the plain sum of the leaves."""

_HEAD = (
    *("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective"),
    *("feature_names", "monotone_constraints", "feature_infos", "tree_sizes"),
)
_TREE = (
    *("num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type", "left_child"),
    *("right_child", "leaf_value", "leaf_weight", "leaf_count", "internal_value", "internal_weight"),
    *("internal_count", "is_linear", "shrinkage"),
)
# Keys of what is refused in a sentence of its own.
_REFUSED = ("cat_boundaries", "cat_threshold", "leaf_const", "num_features", "leaf_features", "leaf_coeff")


@dataclass(frozen=True, eq=False)
class DecisionTree:
    """features, thresholds, left, right: (nodes,); a row goes left where its feature is at most the threshold.

    missing: (nodes,) one of the MISSING values. default_left: (nodes,) bool. leaves, counts: (nodes + 1,) float64, the
    values of the leaves and the rows of training in each.
    """

    features: np.ndarray
    thresholds: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing: np.ndarray
    default_left: np.ndarray
    leaves: np.ndarray
    counts: np.ndarray

    def goes_left(self, node: int, value: float) -> bool:
        """Where a node sends a value, as LightGBM says it: the compiled loop has the same in one comparison."""
        kind = self.missing[node]
        if math.isnan(value) and kind != MISSING_NAN:
            value = 0.0
        if (kind == MISSING_ZERO and abs(value) <= TINY) or math.isnan(value):
            return bool(self.default_left[node])
        return bool((0.0 if abs(value) <= TINY else value) <= self.thresholds[node])


@dataclass(frozen=True)
class ModelText:
    """feature_names: one for each feature, used or not."""

    feature_names: tuple[str, ...]
    trees: tuple[DecisionTree, ...]


def read_model_text(text: str, where: str) -> ModelText:
    """where: the name of the file in messages. Raises ModelError."""
    head, *blocks = text.split("\nTree=")
    if not blocks or "\nend of trees" not in blocks[-1]:
        raise ModelError(f"{where}: no trees of LightGBM, or not all of them: write it again with Booster.save_model")
    blocks[-1] = blocks[-1].partition("\nend of trees")[0]
    names = _read_head(head, where)
    trees = tuple(
        _read_tree(block, len(names), f"{where}: tree {number}", number) for number, block in enumerate(blocks)
    )
    return ModelText(names, trees)


def _read_head(head: str, where: str) -> tuple[str, ...]:
    first, *lines = head.strip().split("\n")
    if first != "tree":
        raise ModelError(f"{where}: a model text of LightGBM begins with the line `tree`, got {first[:40]!r}")
    values = _values(lines, _HEAD, where)
    expected = {"version": "v4", "num_class": "1", "num_tree_per_iteration": "1"}
    for key, value in expected.items():
        if values.get(key) != value:
            raise ModelError(f"{where}: only {key}={value} is read, got {values.get(key)!r}")
    if values.get("objective") not in OBJECTIVES:
        raise ModelError(
            f"{where}: objective is one of {', '.join(OBJECTIVES)}, whose prediction is the sum of the leaves; got"
            f" {values.get('objective')!r}"
        )
    names = tuple(values.get("feature_names", "").split(" "))
    if str(len(names) - 1) != values.get("max_feature_idx"):
        raise ModelError(f"{where}: {len(names)} feature_names, and max_feature_idx is {values.get('max_feature_idx')}")
    return names


def _read_tree(block: str, num_features: int, where: str, number: int) -> DecisionTree:
    first, *lines = block.split("\n")
    if first != str(number):
        raise ModelError(f"{where}: the trees are not numbered in order, got Tree={first[:20]}")
    values = _values(lines, _TREE + _REFUSED, where)
    for key, what in (("num_cat", "categorical splits"), ("is_linear", "linear trees")):
        if values.get(key) != "0":
            raise ModelError(f"{where}: {key}={values.get(key)}: {what} are not read: train without them")
    num_leaves = int(_whole_numbers(values, "num_leaves", 1, where)[0])
    if num_leaves < 1:
        raise ModelError(f"{where}: num_leaves is at least 1, got {num_leaves}: the file is damaged")
    num_nodes = num_leaves - 1
    features, left, right, decisions = (
        _whole_numbers(values, key, num_nodes, where)
        for key in ("split_feature", "left_child", "right_child", "decision_type")
    )
    if (decisions & 1).any():
        raise ModelError(f"{where}: a node has a categorical split, which is not read: train without them")
    missing = decisions >> 2
    if not np.isin(missing, (MISSING_NONE, MISSING_ZERO, MISSING_NAN)).all():
        raise ModelError(f"{where}: a decision_type is unknown, got {int(decisions.max())}")
    if num_nodes and not 0 <= features.min() <= features.max() < num_features:
        raise ModelError(f"{where}: split_feature is from 0 to {num_features - 1}, got {int(features.max())}")
    _check_children(left, right, where)
    thresholds, leaves = (
        _numbers(values, "threshold", num_nodes, where),
        _numbers(values, "leaf_value", num_leaves, where),
    )
    counts = _numbers(values, "leaf_count", num_leaves if num_nodes else None, where)
    if np.isnan(thresholds).any() or not np.isfinite(leaves).all():
        raise ModelError(f"{where}: a threshold or leaf is no number")
    return DecisionTree(
        features, thresholds, left, right, missing, (decisions & 2) > 0, leaves, counts if num_nodes else np.ones(1)
    )


def _check_children(left: np.ndarray, right: np.ndarray, where: str) -> None:
    """Every node but the root, and every leaf, is the child of one node that is before it."""
    num_nodes = len(left)
    children = np.concatenate([left, right])
    parents = np.tile(np.arange(num_nodes), 2)
    expected = np.concatenate([np.arange(1, num_nodes), ~np.arange(num_nodes + 1)]) if num_nodes else children
    if not np.array_equal(np.sort(children), np.sort(expected)) or (children >= 0)[children <= parents].any():
        raise ModelError(f"{where}: its children are no tree: the file is damaged")


def _values(lines: Sequence[str], known: Sequence[str], where: str) -> dict[str, str]:
    found = {}
    for line in lines:
        key, sign, value = line.partition("=")
        if line and (not sign or key not in known):
            raise ModelError(f"{where}: {key[:40]!r} is not known to this reader, and may change scores")
        if line:
            found[key] = value
    return found


def _numbers(values: dict[str, str], key: str, count: int | None, where: str) -> np.ndarray:
    """(count,) float64. count: how many there must be; None for any."""
    try:
        found = np.array(list(_floats(values.get(key, ""))), dtype=np.float64)
    except ValueError as error:
        raise ModelError(f"{where}: {key}: {error}") from error
    if count is not None and len(found) != count:
        raise ModelError(f"{where}: {key} has {len(found)} numbers, and {count} are needed: the file is damaged")
    return found


def _whole_numbers(values: dict[str, str], key: str, count: int, where: str) -> np.ndarray:
    """(count,) int64, of 32 bits as LightGBM writes them."""
    found = _numbers(values, key, count, where)
    if not ((np.abs(found) < 1 << 31) & (np.trunc(found) == found)).all():
        raise ModelError(f"{where}: {key} has numbers that are not whole: the file is damaged")
    return found.astype(np.int64)


def _floats(text: str) -> Iterator[float]:
    return map(float, text.split())
