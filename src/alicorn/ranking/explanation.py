"""Why is a hit where it is? What each feature gave its score, and the smallest change of one that lifts it to a rank.

Contributions are those of the path (Saabas 2014): in each tree, every step from a node to its child changes the mean of
the training rows below, and the change belongs to the feature that was asked. Their sum and the mean of all rows is the
score. They say what the forest did for this hit, and not what a feature is worth in general.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from alicorn.ranking.forest import Forest
from alicorn.ranking.forest.model_text import DecisionTree

_means: WeakKeyDictionary[Forest, list[np.ndarray]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Lift:
    """A change of one feature: from `value` to `needed`, with which the hit would have `rank`."""

    feature: str
    value: float
    needed: float
    rank: int


@dataclass(frozen=True)
class Beside:
    """Another hit of the forest, and what each feature gave the explained one more than this, the largest first.

    The differences add up to that of the scores.
    """

    doc_id: str
    forest_rank: int
    score: float
    features: dict[str, float]
    differences: dict[str, float]


@dataclass(frozen=True)
class ForestExplanation:
    """forest_rank: among the hits that the forest orders, from 1. base: the score of a hit of which nothing is known,
    but that it was shown. contributions: by feature, the largest first. lifts: the smallest change of each feature that
    lifts the hit to `to_rank` of the forest, the smallest first; of a feature that cannot do it alone there is none.
    beside: another hit that it is compared with."""

    forest_rank: int
    score: float
    base: float
    features: dict[str, float]
    contributions: dict[str, float]
    to_rank: int
    lifts: tuple[Lift, ...]
    beside: Beside | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON, where what is missing is null. The features of the hit are beside it."""
        plain = asdict(self)
        del plain["features"]
        if self.beside is not None:
            plain["beside"]["features"] = known_features(self.beside.features)
        for lift in plain["lifts"]:
            lift["value"] = None if np.isnan(lift["value"]) else lift["value"]
        return plain

    def __str__(self) -> str:
        lines = [f"{self.forest_rank} of the forest, score {self.score:.4f}", f"  {self.base:+.4f}  whatever is shown"]
        lines += [
            f"  {part:+.4f}  {name} = {written(self.features[name])}" for name, part in self.contributions.items()
        ]
        if self.forest_rank > self.to_rank:
            lines.append(f"to rank {self.to_rank}, alone:")
            lines += [f"  {one.feature} from {written(one.value)} to {written(one.needed)}" for one in self.lifts]
            lines += [] if self.lifts else ["  no feature"]
        if self.beside is not None:
            lines += _compared(self.beside, self.features)
        return "\n".join(lines)


def explained_by_forest(
    forest: Forest, matrix: np.ndarray, ordered: np.ndarray, row: int, to_rank: int, beside: tuple[str, int] | None
) -> ForestExplanation:
    """matrix: (candidates, features). ordered: the rows that the forest orders, in its order; `row` is one of them.
    beside: another hit, by its id and row."""
    names = forest.feature_names
    place = int(np.flatnonzero(ordered == row)[0])
    base, parts = contributions(forest, matrix[row])
    return ForestExplanation(
        place + 1,
        float(forest.score(matrix[row][None])[0]),
        base,
        dict(zip(names, matrix[row].tolist(), strict=True)),
        _largest_first(names, parts),
        to_rank,
        tuple(smallest_lifts(forest, matrix[ordered], place, to_rank)) if place + 1 > to_rank else (),
        None if beside is None else _beside(forest, matrix, ordered, *beside, parts),
    )


def _beside(
    forest: Forest, matrix: np.ndarray, ordered: np.ndarray, doc_id: str, row: int, parts: np.ndarray
) -> Beside:
    """parts: (features,), of the hit that is explained."""
    names = forest.feature_names
    _, other = contributions(forest, matrix[row])
    return Beside(
        doc_id,
        1 + int(np.flatnonzero(ordered == row)[0]),
        float(forest.score(matrix[row][None])[0]),
        dict(zip(names, matrix[row].tolist(), strict=True)),
        _largest_first(names, parts - other),
    )


def known_features(features: dict[str, float]) -> dict[str, float | None]:
    """For JSON, where what is missing is null."""
    return {name: None if np.isnan(value) else value for name, value in features.items()}


def written(value: float) -> str:
    """A number of a feature, for people."""
    return "unknown" if np.isnan(value) else f"{value:.6g}"


def _largest_first(names: Sequence[str], parts: np.ndarray) -> dict[str, float]:
    return {names[at]: float(parts[at]) for at in np.argsort(-np.abs(parts), kind="stable")}


def _compared(other: Beside, own: dict[str, float]) -> list[str]:
    lines = [f"beside {other.doc_id}: {other.forest_rank} of the forest, score {other.score:.4f}"]
    lines += [
        f"  {gain:+.4f}  {name} = {written(own[name])} and not {written(other.features[name])}"
        for name, gain in other.differences.items()
        if gain
    ]
    return lines


def contributions(forest: Forest, row: np.ndarray) -> tuple[float, np.ndarray]:
    """The base, and (features,) float64. row: (features,) float64."""
    if forest not in _means:
        _means[forest] = [_node_means(tree) for tree in forest.trees]
    parts = np.zeros(len(row))
    base = 0.0
    for tree, means in zip(forest.trees, _means[forest], strict=True):
        num_nodes = len(tree.features)
        node = 0 if num_nodes else -1
        before = means[0] if num_nodes else float(tree.leaves[0])
        base += before
        while node >= 0:
            child = int(tree.left[node] if tree.goes_left(node, float(row[tree.features[node]])) else tree.right[node])
            after = float(means[child] if child >= 0 else tree.leaves[~child])
            parts[tree.features[node]] += after - before
            node, before = child, after
    return base, parts


def smallest_lifts(forest: Forest, matrix: np.ndarray, row: int, to_rank: int) -> list[Lift]:
    """The smallest change of each feature that lifts a row of a matrix to a rank, if any does, each made and looked at.

    matrix: (hits, features) of all hits that the forest orders. Changes are compared in standard deviations of the
    feature among the hits. A missing value becomes the nearest number to the mean of the others.
    """
    scores = forest.score(matrix)
    others = np.sort(np.delete(scores, row))[::-1]
    if to_rank > len(others):
        return []
    wanted = others[to_rank - 1]  # must be passed: equal scores keep their order
    found = []
    for feature, name in enumerate(forest.feature_names):
        values = _values_at(forest, feature)
        tried = np.repeat(matrix[row][None], len(values), axis=0)
        tried[:, feature] = values
        enough = values[forest.score(tried) > wanted]
        if not len(enough):
            continue
        column = matrix[:, feature][np.isfinite(matrix[:, feature])]
        mean, spread = (float(column.mean()), float(column.std())) if len(column) else (0.0, 0.0)
        start = matrix[row, feature]
        distances = np.abs(enough - (mean if np.isnan(start) else start))
        needed = float(enough[distances.argmin()])
        rank = _rank_with(forest, matrix, row, feature, needed)
        found.append((float(distances.min()) / (spread or 1.0), Lift(name, float(start), needed, rank)))
    return [lift for _, lift in sorted(found, key=lambda one: one[0])]


def _rank_with(forest: Forest, matrix: np.ndarray, row: int, feature: int, value: float) -> int:
    changed = matrix.copy()
    changed[row, feature] = value
    scores = forest.score(changed)
    return 1 + int((np.delete(scores, row) >= scores[row]).sum())


def _values_at(forest: Forest, feature: int) -> np.ndarray:
    """A number on each side of every threshold of a feature: the score is the same between them."""
    thresholds = [tree.thresholds[tree.features == feature] for tree in forest.trees]
    values = np.unique(np.concatenate(thresholds))
    return np.unique(np.concatenate([values, np.nextafter(values, np.inf)]))


def _node_means(tree: DecisionTree) -> np.ndarray:
    """(nodes,) float64: the mean leaf of the training rows below each node."""
    sums, counts = np.zeros(len(tree.features)), np.zeros(len(tree.features))
    for node in range(len(tree.features) - 1, -1, -1):  # children come after their parent
        for child in (tree.left[node], tree.right[node]):
            sums[node] += sums[child] if child >= 0 else tree.leaves[~child] * tree.counts[~child]
            counts[node] += counts[child] if child >= 0 else tree.counts[~child]
    return sums / np.maximum(counts, 1.0)
