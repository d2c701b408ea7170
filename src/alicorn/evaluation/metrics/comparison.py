"""Several systems, the same searches -> means with intervals, overall and by segment, and differences to a baseline.

A *system* is anything that ranks; here it is only its run (int32 (searches, depth) document numbers: `ranking.py`). All
systems see the same bootstrap resamples, so every difference is paired.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from alicorn.evaluation.metrics.bootstrap import CONFIDENCE, RESAMPLES, Interval, interval, resampled_means
from alicorn.evaluation.metrics.ranking import (
    Targets,
    is_empty,
    judged_only,
    ndcg_at,
    recall_at,
    reciprocal_rank_at,
    success_at,
)

OVERALL = "overall"
Measure = Callable[[np.ndarray, Targets], np.ndarray]  # a run and targets -> one value per search


@dataclass(frozen=True)
class Comparison:
    """`means` and `differences` are keyed (segment, system, measure).

    segments: label -> number of searches; the first is OVERALL. A search with several labels counts in each of them.
    weighted: whether searches count by the propensities of their clicks.
    differences: system minus baseline over the same searches, for every other system; empty without a baseline.
    num_without_targets: searches left out because they have no relevant document.
    """

    systems: tuple[str, ...]
    measures: tuple[str, ...]
    segments: dict[str, int]
    means: dict[tuple[str, str, str], Interval]
    differences: dict[tuple[str, str, str], Interval]
    baseline: str | None
    num_without_targets: int
    weighted: bool = False

    def mean(self, system: str, measure: str, segment: str = OVERALL) -> Interval:
        return self.means[segment, system, measure]

    def difference(self, system: str, measure: str, segment: str = OVERALL) -> Interval:
        return self.differences[segment, system, measure]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: {"systems", "measures", "segments", "baseline", "means", "differences", ...}, six decimals."""
        return {
            "systems": list(self.systems),
            "measures": list(self.measures),
            "segments": self.segments,
            "baseline": self.baseline,
            "num_without_targets": self.num_without_targets,
            "weighted_by_propensity": self.weighted,
            "confidence": CONFIDENCE,
            "resamples": RESAMPLES,
            "means": _nested(self.means),
            "differences": _nested(self.differences),
        }


def recall_measures(ks: Sequence[int] = (1, 10, 100)) -> dict[str, Measure]:
    """The measures "recall@K" for the given K."""
    return {f"recall@{k}": partial(recall_at, k=k) for k in ks}


def served_measures(ks: Sequence[int], targets: Targets) -> dict[str, Measure]:
    """recall@K, success@K where a search has several targets, NDCG and reciprocal rank at the K nearest to 10, NDCG
    of the judged alone where some are judged not relevant, and the share of empty answers."""
    k = min(ks, key=lambda k: (abs(k - 10), k))
    measures = recall_measures(ks)
    if (targets.counts > 1).any():
        measures |= {f"success@{k}": partial(success_at, k=k) for k in ks}
    ranks: dict[str, Measure] = {f"NDCG@{k}": partial(ndcg_at, k=k), f"MRR@{k}": partial(reciprocal_rank_at, k=k)}
    if (targets.grades == 0).any():
        ranks[f"NDCG@{k} judged"] = lambda run, judged: ndcg_at(judged_only(run, judged), judged, k)
    return measures | ranks | {"empty": is_empty}


def compare(
    runs: Mapping[str, np.ndarray],
    targets: Targets,
    *,
    measures: Mapping[str, Measure] | None = None,
    segments: Sequence[Sequence[str]] | None = None,
    baseline: str | None = None,
    seed: int = 0,
    measured: Mapping[str, Mapping[str, np.ndarray]] | None = None,
) -> Comparison:
    """Evaluate runs over the same searches.

    measured: further measures, name -> system -> float64 (searches,), such as times; "-" for a system without them.

    runs: system -> int32 (searches, depth). segments: the labels of each search (may be none). measures: name ->
    function of (run, targets), recall@1/10/100 unless given. baseline: the system the others are compared with.
    """
    measures = recall_measures() if measures is None else measures
    _check(runs, targets, segments, baseline)
    has_targets = np.flatnonzero(targets.counts > 0)
    kept = targets.take(has_targets)
    known = measured or {}
    columns = [(system, measure) for system in runs for measure in (*measures, *known)]
    values = np.column_stack(
        [
            measures[measure](runs[system][has_targets], kept)
            if measure in measures
            else known[measure].get(system, np.full(len(targets), np.nan))[has_targets]
            for system, measure in columns
        ]
    )
    members = _members(segments, has_targets, len(kept))
    means: dict[tuple[str, str, str], Interval] = {}
    differences: dict[tuple[str, str, str], Interval] = {}
    for label, rows in members.items():
        weights = None if kept.weights is None else kept.weights[rows]
        observed = np.average(values[rows], axis=0, weights=weights) if len(rows) else np.full(len(columns), np.nan)
        resampled = resampled_means(values[rows], weights=weights, seed=seed)
        for column, (system, measure) in enumerate(columns):
            means[label, system, measure] = interval(observed[column], resampled[:, column])
            if baseline is not None and system != baseline:
                base = columns.index((baseline, measure))
                differences[label, system, measure] = interval(
                    observed[column] - observed[base], resampled[:, column] - resampled[:, base]
                )
    return Comparison(
        systems=tuple(runs),
        measures=(*measures, *known),
        segments={label: len(rows) for label, rows in members.items()},
        means=means,
        differences=differences,
        baseline=baseline,
        num_without_targets=len(targets) - len(kept),
        weighted=kept.weights is not None,
    )


def _members(segments: Sequence[Sequence[str]] | None, searches: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """OVERALL and then every label in alphabetic order -> the rows, among the kept `searches`, that carry it."""
    members = {OVERALL: np.arange(count)}
    if segments is None:
        return members
    rows: dict[str, list[int]] = {}
    for row, search in enumerate(searches):
        for label in dict.fromkeys(segments[search]):
            rows.setdefault(label, []).append(row)
    return members | {label: np.array(rows[label]) for label in sorted(rows)}


def _check(
    runs: Mapping[str, np.ndarray], targets: Targets, segments: Sequence[Sequence[str]] | None, baseline: str | None
) -> None:
    if not runs:
        raise ValueError("compare needs at least one run")
    for system, ranked in runs.items():
        if len(ranked) != len(targets):
            raise ValueError(f"the run of {system!r} has {len(ranked)} searches, the targets have {len(targets)}")
    if segments is not None and len(segments) != len(targets):
        raise ValueError(f"segments are given for {len(segments)} searches, the targets have {len(targets)}")
    if baseline is not None and baseline not in runs:
        raise ValueError(f"the baseline {baseline!r} is none of the systems {', '.join(map(repr, runs))}")


def _nested(cells: dict[tuple[str, str, str], Interval]) -> dict[str, dict[str, dict[str, dict[str, float | None]]]]:
    nested: dict[str, dict[str, dict[str, dict[str, float | None]]]] = {}
    for (segment, system, measure), cell in cells.items():
        numbers = [None if np.isnan(x) else round(x, 6) for x in (cell.mean, cell.low, cell.high)]
        nested.setdefault(segment, {}).setdefault(system, {})[measure] = dict(
            zip(("mean", "low", "high"), numbers, strict=True)
        )
    return nested
