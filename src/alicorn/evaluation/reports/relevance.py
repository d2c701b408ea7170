"""P_good: the share of the first K results that answer the query, as a judge sees it (MGDSPR).

Recall counts the chosen documents that are found; P_good counts the found documents that are relevant, chosen or not. A
judge decides about relevance: judges/word_overlap.py learns one from labels of people, a generated world knows the
truth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alicorn.evaluation.judges.judge import Judge, good_at
from alicorn.evaluation.metrics.bootstrap import Interval, mean_interval
from alicorn.evaluation.searches import Searches
from alicorn.reporting.markdown import table


@dataclass(frozen=True)
class Relevance:
    """good: system -> K -> P_good with its interval. auc: of the judge on labels it has not seen; None if unknown.
    labels: how many it learned from."""

    good: Mapping[str, Mapping[int, Interval]]
    auc: float | None
    labels: int

    def to_dict(self) -> dict[str, object]:
        good = {
            system: {f"p_good@{k}": [round(x, 6) for x in (i.mean, i.low, i.high)] for k, i in by_k.items()}
            for system, by_k in self.good.items()
        }
        return {"good": good, "judge_auc": self.auc, "labels": self.labels}

    def markdown(self) -> str:
        ks = list(next(iter(self.good.values())))
        note = (
            f"Share of the first K that answer the query, by a model of {self.labels:,} labels, whose ROC AUC on labels"
            f" of queries it has not seen is {'unknown' if self.auc is None else f'{self.auc:.3f}'}."
        )
        rows = [
            [system, *(f"{i.mean:.3f} [{i.low:.3f}, {i.high:.3f}]" for i in by_k.values())]
            for system, by_k in self.good.items()
        ]
        return "\n\n".join(["## Relevance", note, table(["", *(f"P_good@{k}" for k in ks)], rows)]) + "\n"


def relevance(
    runs: Mapping[str, np.ndarray],
    searches: Searches,
    judge: Judge,
    ks: Sequence[int],
    auc: float | None = None,
    labels: int = 0,
) -> Relevance:
    """P_good of runs, int32 (searches, depth). auc, labels: of the judge, if known."""
    chances = {system: judge.judge(searches, ranked[:, : max(ks)]) for system, ranked in runs.items()}
    good = {system: {k: mean_interval(good_at(found, k)) for k in ks} for system, found in chances.items()}
    return Relevance(good, auc, labels)
