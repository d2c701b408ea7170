"""The forest, learned by LightGBM: LambdaMART with or without the effect of positions.

With positions, LightGBM learns beside the forest how much a position adds to the score of whatever is shown there, and
the forest is free of it (`Dataset(position=...)`). Its regularisation stays at 0: 0.1 and 1 undo the cure. Where
propensities are known, what a position adds is not learned: it is the logarithm of the propensity, from which the trees
start (`init_score`), since the log odds of a seldom click are those of relevance plus this. The order that showed the
documents is no feature unless features.yaml names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from alicorn.config import Config
from alicorn.errors import TableError
from alicorn.ranking.features import FeatureSet
from alicorn.ranking.learning.examples import RankExamples

_DIRECTION = {"increasing": 1, "decreasing": -1, None: 0}
_DEEPEST = 50  # position: those behind share a factor
_MOST_ROWS = 10_000
"""Documents of a search that LightGBM takes."""


class ForestSettings(Config):
    """positions: whether clicks depend on the position; not so for judgements. propensities: of positions 1, 2, ..., of
    which the last is that of all behind; empty: learned with the forest. trees: with positions all of them, as NDCG of
    biased clicks would stop at a biased forest; else fewer where NDCG@10 of the searches that stop does not rise for
    `patience` trees."""

    trees: int = 200
    leaves: int = 15
    rate: float = 0.05
    rows_in_leaf: int = 50
    patience: int = 50
    positions: bool = True
    propensities: tuple[float, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class LearnedForest:
    """text: LightGBM's model text. gains: feature -> the gain of its splits as a share of all. stopped_at: NDCG@10 of
    the searches that stop; None with positions."""

    text: str
    gains: dict[str, float]
    trees: int
    stopped_at: float | None


def learn_forest(
    learning: RankExamples, stopping: RankExamples, features: FeatureSet, settings: ForestSettings
) -> LearnedForest:
    """stopping: searches that say when to stop, and teach nothing. Raises TableError as _check_examples."""
    _check_examples(learning, stopping, settings)
    grades = np.unique(np.concatenate([learning.grades, stopping.grades]))
    parameters: dict[str, Any] = {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [10],
        "label_gain": grades.tolist(),
        "num_leaves": settings.leaves,
        "learning_rate": settings.rate,
        "min_data_in_leaf": settings.rows_in_leaf,
        "monotone_constraints": [_DIRECTION[one.monotone] for one in features.columns.values()],
        "seed": settings.seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    if not any(parameters["monotone_constraints"]):
        del parameters["monotone_constraints"]
    data = _dataset(learning, grades, features, settings)
    if settings.positions:
        booster = lgb.train(parameters, data, settings.trees)
    else:
        booster = lgb.train(
            parameters,
            data,
            settings.trees,
            valid_sets=[_dataset(stopping, grades, features, settings)],
            callbacks=[lgb.early_stopping(settings.patience, verbose=False)],
        )
    trees = settings.trees if settings.positions else booster.best_iteration
    gains = booster.feature_importance("gain", trees)
    shares = gains / max(float(gains.sum()), 1e-300)
    return LearnedForest(
        booster.model_to_string(num_iteration=trees),
        dict(zip(features.names, shares.round(4).tolist(), strict=True)),
        trees,
        None if settings.positions else round(float(booster.best_score["valid_0"]["ndcg@10"]), 6),
    )


def _check_examples(learning: RankExamples, stopping: RankExamples, settings: ForestSettings) -> None:
    """Raises TableError where there is too little to learn from, or too much in one search."""
    if len(learning) == 0 or (len(stopping) == 0 and not settings.positions):
        raise TableError(
            f"{len(learning)} searches teach and {len(stopping)} say when to stop, of those with a chosen document that"
            " the collection has: widen valid in the vertical's split and mine again",
            table="impressions",
            column="split",
        )
    for examples in (learning, stopping):
        counts = np.diff(examples.starts)
        if len(counts) and counts.max() > _MOST_ROWS:
            raise TableError(
                f"search {examples.search_ids[counts.argmax()]!r} has {counts.max():,} documents, and LightGBM takes"
                f" {_MOST_ROWS:,} of a search: give fewer --candidates, or log fewer",
                table="impressions",
                column="search_id",
            )


def _dataset(examples: RankExamples, grades: np.ndarray, features: FeatureSet, settings: ForestSettings) -> lgb.Dataset:
    """grades: the distinct ones, ascending; the label of a row is the place of its grade there."""
    weights, known = examples.weights, np.log(settings.propensities)
    learned = settings.positions and not len(known)
    return lgb.Dataset(
        examples.matrix,
        np.searchsorted(grades, examples.grades),
        group=np.diff(examples.starts),
        weight=None if (weights == 1.0).all() else weights,
        position=np.minimum(examples.positions, _DEEPEST) if learned else None,
        init_score=known[np.clip(examples.positions, 1, len(known)) - 1] if len(known) else None,
        feature_name=list(features.names),
        params={"verbosity": -1},
    )
