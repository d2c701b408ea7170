"""A forest as arrays, and the score of a row of features: the sum of one leaf of each tree.

Every node asks the same of its row: is this column at most this threshold? NaN never is. So a node that sends NaN left
looks at the negated feature, and its children change places: not (x > t) is not (-x <= -next(t)), where next(t) is the
next greater number. A feature whose zeros are missing is a column of its own, in which 0 is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alicorn.errors import ModelError, cause
from alicorn.ranking.forest.kernels import score_rows
from alicorn.ranking.forest.model_text import MISSING_NONE, MISSING_ZERO, DecisionTree, read_model_text


@dataclass(frozen=True, eq=False)
class Forest:
    """The nodes and the leaves of all trees in one row of numbers; a leaf is a node that leads to itself.

    feature_names: of the columns of the rows that it scores. trees: as they were read.
    sources, negated, zero_is_missing: (columns,) int32, bool, bool: how each column that nodes look at is made.
    roots, depths: (trees,) int32. columns, values: (nodes,) int32, float64; values are those of leaves.
    thresholds: (nodes,) float64. children: (2 * nodes,) int32: above the threshold or NaN, then at most the threshold.
    """

    feature_names: tuple[str, ...]
    trees: tuple[DecisionTree, ...]
    sources: np.ndarray
    negated: np.ndarray
    zero_is_missing: np.ndarray
    roots: np.ndarray
    depths: np.ndarray
    columns: np.ndarray
    thresholds: np.ndarray
    children: np.ndarray
    values: np.ndarray

    @classmethod
    def load(cls, path: str | Path) -> Forest:
        """The forest of a model text of LightGBM. Raises ModelError."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: cannot be read: {cause(error)}") from error
        return cls.read(text, str(path))

    @classmethod
    def read(cls, text: str, where: str = "the forest") -> Forest:
        """where: its name in messages. Raises ModelError for what is not read (model_text.py)."""
        model = read_model_text(text, where)
        kinds: dict[tuple[int, bool, bool], int] = {}  # (feature, negated, zero is missing) -> column
        roots, parts = [], []
        size = 0
        for tree in model.trees:
            roots.append(size)
            parts.append(_laid_out(tree, size, kinds))
            size += len(parts[-1][0])
        columns, thresholds, children, values = (np.concatenate(each) for each in zip(*parts, strict=True))
        return cls(
            model.feature_names,
            model.trees,
            np.array([feature for feature, _, _ in kinds], dtype=np.int32),
            np.array([negated for _, negated, _ in kinds], dtype=bool),
            np.array([missing for _, _, missing in kinds], dtype=bool),
            np.array(roots, dtype=np.int32),
            np.array([_depth(tree) for tree in model.trees], dtype=np.int32),
            columns,
            thresholds,
            children.reshape(-1),
            values,
        )

    def score(self, rows: np.ndarray) -> np.ndarray:
        """(rows,) float64, bit for bit what LightGBM predicts. rows: (rows, features) float64; NaN is missing."""
        if rows.ndim != 2 or rows.shape[1] != len(self.feature_names):
            raise ValueError(f"rows have {len(self.feature_names)} features, got shape {rows.shape}")
        scores: np.ndarray = score_rows(
            np.ascontiguousarray(rows, dtype=np.float64),
            self.sources,
            self.negated,
            self.zero_is_missing,
            self.roots,
            self.depths,
            self.columns,
            self.thresholds,
            self.children,
            self.values,
        )
        return scores


def _laid_out(
    tree: DecisionTree, base: int, kinds: dict[tuple[int, bool, bool], int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Columns, thresholds, children (nodes, 2) and values of one tree, whose first node has the number `base`."""
    num_nodes, num_leaves = len(tree.features), len(tree.leaves)
    columns = np.zeros(num_nodes + num_leaves, dtype=np.int32)
    thresholds = np.full(num_nodes + num_leaves, np.inf)
    children = np.empty((num_nodes + num_leaves, 2), dtype=np.int32)
    own = base + np.arange(num_nodes, num_nodes + num_leaves)
    children[num_nodes:] = own[:, None]
    for node in range(num_nodes):
        threshold, missing = float(tree.thresholds[node]), int(tree.missing[node])
        # What is not missing by its kind is 0 to LightGBM.
        nan_left = threshold >= 0.0 if missing == MISSING_NONE else bool(tree.default_left[node])
        kind = (int(tree.features[node]), nan_left, missing == MISSING_ZERO)
        columns[node] = kinds.setdefault(kind, len(kinds))
        left, right = (
            base + int(child) if child >= 0 else own[~child] for child in (tree.left[node], tree.right[node])
        )
        if nan_left:
            # Nothing is above infinity: NaN is at most no threshold, so all go left.
            thresholds[node] = np.nan if threshold == np.inf else -np.nextafter(threshold, np.inf)
            children[node] = left, right
        else:
            thresholds[node] = threshold
            children[node] = right, left
    values = np.concatenate([np.zeros(num_nodes), tree.leaves])
    return columns, thresholds, children, values


def _depth(tree: DecisionTree) -> int:
    """The most nodes above a leaf."""
    depths = np.ones(len(tree.features), dtype=np.int32)
    for node in range(len(depths)):
        for child in (tree.left[node], tree.right[node]):
            if child >= 0:
                depths[child] = depths[node] + 1
    return int(depths.max(initial=0))
