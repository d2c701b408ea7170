"""A ranker's folder learned from a log, and what its order is worth beside those without it.

The forest is learned from half of the valid searches, of which every fifth says when to stop where there are no
positions; or from train, and that half stops. A Behavior Sequence Transformer learns from the same searches. On the
other half the hybrid expression is answered as it is served: in its present order, by reciprocal-rank fusion, and with
the ranker.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from alicorn.errors import ConfigError
from alicorn.evaluation.metrics.bootstrap import Interval
from alicorn.evaluation.metrics.comparison import Comparison, compare, served_measures
from alicorn.evaluation.searches import Searches, read_searches
from alicorn.evaluation.systems.served import RRF, request_vectors, served, with_ranking
from alicorn.folders import RANKER_FOLDER, check_place
from alicorn.pairs import PairsFolder
from alicorn.query.any_collection import AnyCollection
from alicorn.ranking.bst import Bst
from alicorn.ranking.features import FeatureSet
from alicorn.ranking.forest import Forest
from alicorn.ranking.learning.examples import RankExamples, rank_examples, read_history, searches_of
from alicorn.ranking.learning.lambdamart import ForestSettings, LearnedForest, learn_forest
from alicorn.ranking.ranker import Ranker, header_of
from alicorn.ranking.stages import Pipeline
from alicorn.ranking.stages.pipeline import AnyStage, RankingConfig
from alicorn.ranking.stages.scoring import ByBst, ByForest
from alicorn.reporting.markdown import table
from alicorn.retrieval.request import RankingStages
from alicorn.retrieval.retriever import Retriever
from alicorn.vertical import Vertical

PRESENT, FUSED, RANKED, BY_BST = "present order", "rrf", "with ranking", "with BST"
K = 10
_DEPTH = 100


@dataclass(frozen=True)
class RankReport:
    """comparison: of the searches that neither taught nor stopped; to_rrf: their differences of NDCG@10 to the order by
    rrf, where that is not the present one. logged: searches of the splits that are read whose features are those of the
    log."""

    learned: LearnedForest
    searches: dict[str, int]
    left_out: int
    logged: int
    comparison: Comparison
    to_rrf: dict[str, Interval]

    def to_dict(self) -> dict[str, Any]:
        return {
            "trees": self.learned.trees,
            "ndcg_of_stopping": self.learned.stopped_at,
            "gains": self.learned.gains,
            "searches": self.searches,
            "searches_with_logged_features": self.logged,
            "rows_of_unknown_documents": self.left_out,
            **self.comparison.to_dict(),
            "to_rrf": {system: asdict(found) for system, found in self.to_rrf.items()},
        }

    def markdown(self) -> str:
        """NDCG@10 of each order, the differences to the present one, and the gains of the features."""
        measure = f"NDCG@{K}"
        rows = []
        for system in self.comparison.systems:
            other = "" if system == PRESENT else _written(self.comparison.difference(system, measure))
            fused = _written(self.to_rrf[system]) if system in self.to_rrf else ""
            rows.append([system, _written(self.comparison.mean(system, measure)), other, fused])
        gains = sorted(self.learned.gains.items(), key=lambda item: -item[1])
        return "\n\n".join(
            [
                f"{self.learned.trees} trees, learned from {self.searches['learning']} searches; features as they were"
                f" logged: {self.logged} searches",
                table(["order", measure, f"to the {PRESENT}", f"to {FUSED}"], rows),
                table(["feature", "share of the gain"], [[name, f"{share:.3f}"] for name, share in gains]),
            ]
        )


def learn_ranker(
    pairs: Path,
    retriever: Retriever,
    features: FeatureSet,
    out: Path,
    settings: ForestSettings,
    split: Literal["train", "valid"] = "valid",
    candidates: int = 0,
    num_searches: int = 20_000,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> RankReport:
    """Write the ranker's folder.

    split: what to learn from. The towers know the searches of train by heart, so that their cosines say more there than
    they will of a new search. candidates: see rank_examples.
    Raises ConfigError, TableError before anything is written.
    """
    check_place(out, RANKER_FOLDER)
    if candidates and settings.positions:
        raise ConfigError(
            "candidates that were not shown have no position: give --no-positions (for judgements), or no --candidates"
        )
    vertical, collection = retriever.vertical, retriever.collection
    assert vertical is not None, "a text is read by a vertical"
    snapshot = collection.snapshot()
    features.check(vertical, snapshot.columns, snapshot.embeddings)
    folder = PairsFolder(pairs)
    history = read_history(folder) if features.needs_history else None
    splits = tuple(dict.fromkeys((split, "valid")))
    valid = read_searches(pairs, num_searches, settings.seed, "valid", repeats=True, regions=retriever.regions)
    chosen, measures = _halves(len(valid), settings.seed)
    asked = (folder, retriever, features, history, splits, candidates, num_searches, settings.seed, advance)
    examples = rank_examples(*asked, valid.search_ids.take(pa.array(chosen)))
    every_fifth = (np.arange(len(chosen)) % 5 == 0) & (not settings.positions)
    stops, learns = (chosen[every_fifth], chosen[~every_fifth]) if split == "valid" else (chosen, None)
    learning = examples.take(searches_of(examples, split, _ids(valid, learns)))
    stopping = examples.take(searches_of(examples, "valid", _ids(valid, stops)))
    learned = learn_forest(learning, stopping, features, settings)
    counts = {"learning": len(learning), "stopping": len(stopping), "measuring": len(measures)}
    how = {
        "settings": settings.model_dump(),
        "split": split,
        "candidates": candidates,
        "searches": counts,
        "searches_with_logged_features": examples.logged,
        "trees": learned.trees,
    }
    header = header_of(features, vertical, collection.metadata.get("models", {}), how)
    bst = None if features.sequence is None else _learned_bst(learning, features, settings)
    ranker = Ranker(header, features, Forest.read(learned.text), history, bst)
    rankings = _rankings(ranker, vertical, collection)
    comparison, to_rrf = compared(
        retriever, rankings, valid.take(measures, valid.targets.take(measures)), settings.seed
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        ranker.save(out, learned.text)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return RankReport(learned, counts, examples.left_out, examples.logged, comparison, to_rrf)


def _rankings(ranker: Ranker, vertical: Vertical, collection: AnyCollection) -> dict[str, RankingStages]:
    """The forest alone, and the network alone where there is one."""
    stages: dict[str, AnyStage] = {RANKED: ByForest(kind="forest")}
    if ranker.bst is not None:
        stages[BY_BST] = ByBst(kind="bst")
    return {
        name: Pipeline(ranker, RankingConfig(ranker="", stages=(stage,)), vertical, collection)
        for name, stage in stages.items()
    }


def _learned_bst(learning: RankExamples, features: FeatureSet, settings: ForestSettings) -> Bst:
    from alicorn.ranking.learning.bst import learn_bst  # torch

    return Bst.read(learn_bst(learning, features, settings.positions, settings.seed), features)


def compared(
    retriever: Retriever, rankings: Mapping[str, RankingStages], searches: Searches, seed: int = 0
) -> tuple[Comparison, dict[str, Interval]]:
    """The hybrid expression in its present order, by reciprocal-rank fusion, and with each ranking, by name; and the
    differences of NDCG@10 to the fusion, by name, where that is not the present order."""
    assert retriever.vertical is not None
    key = retriever.default_key
    vectors = request_vectors(retriever, searches, key)
    runs = {PRESENT: served(retriever, searches, _DEPTH, "hybrid", key, vectors).run}
    if retriever.vertical.order_of("hybrid") != RRF:
        runs[FUSED] = served(retriever, searches, _DEPTH, "hybrid", key, vectors, RRF).run
    for name, ranking in rankings.items():
        runs[name] = with_ranking(retriever, searches, _DEPTH, key, ranking).run
    measures = served_measures((K, _DEPTH), searches.targets)
    found = compare(runs, searches.targets, measures=measures, segments=searches.segments, baseline=PRESENT, seed=seed)
    if FUSED not in runs:
        return found, {}
    measure = f"NDCG@{K}"
    beside = compare(runs, searches.targets, measures={measure: measures[measure]}, baseline=FUSED, seed=seed)
    return found, {system: beside.difference(system, measure) for system in runs if system != FUSED}


def _written(found: Interval) -> str:
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _ids(searches: Searches, rows: np.ndarray | None) -> list[str] | None:
    """The search_ids of some; None for all."""
    return None if rows is None else searches.search_ids.take(pa.array(rows)).to_pylist()


def _halves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    shuffled = np.random.default_rng(seed).permutation(count)
    return np.sort(shuffled[: count // 2]), np.sort(shuffled[count // 2 :])
