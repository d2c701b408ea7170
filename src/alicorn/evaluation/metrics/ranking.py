"""Ranked document numbers in, one value per search out. Reports are means of these.

A *run* is an int32 array (searches, depth): document numbers in rank order, -1 where the run has no more documents. A
run does not repeat a document. A search without targets has no value: NaN, which `comparison.py` leaves out and counts.

| here | elsewhere | meaning |
|---|---|---|
| recall_at | EBR recall@K, ir-measures R@K | share of the targets in the first K; denominator: all its targets |
| success_at | ir-measures Success@K | 1 where any target is among the first K, else 0 |
| reciprocal_rank_at | MRR@K, ir-measures RR@K | 1 / rank of the first target, 0 beyond rank K |
| ndcg_at | nDCG@K, ir-measures dcg='log2' | linear gain, discount 1 / log2(1 + rank), ideal order of all targets |
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

_CELLS = 1 << 24  # run cells compared at once: 16M booleans are 16 MiB


@dataclass(frozen=True)
class Targets:
    """The target set of each search as CSR: `documents[starts[i]:starts[i + 1]]` are those of search i.

    starts: int64 (searches + 1,). documents: int32 (targets,), -1 for a target that is not in the corpus: it is never
    found and stays in the denominator. grades: float64 (targets,), the gain of each target, 0 or more. A target of
    grade 0 is a document judged not relevant: it is no target for recall, success and reciprocal rank.
    weights: float64 (searches,), how much each search counts in a mean; None: all alike.
    """

    starts: np.ndarray
    documents: np.ndarray
    grades: np.ndarray
    weights: np.ndarray | None = None

    @classmethod
    def of(cls, documents: Sequence[Iterable[int]], grades: Sequence[Iterable[float]] | None = None) -> "Targets":
        """From one list of document numbers per search; every grade is 1 unless given."""
        rows = [list(row) for row in documents]
        starts = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=starts[1:])
        flat = np.array([number for row in rows for number in row], dtype=np.int32)
        gains = np.ones(len(flat)) if grades is None else np.array([g for row in grades for g in row], dtype=np.float64)
        return cls(starts, flat, gains)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def counts(self) -> np.ndarray:
        """int64 (searches,): the number of documents of grade above 0, the denominator of recall."""
        return self.sums(self.grades > 0).astype(np.int64)

    @property
    def rows(self) -> np.ndarray:
        """int64 (targets,): the search each target belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """float64 (searches,): the sum over each search's targets of values (targets,)."""
        return np.bincount(self.rows, weights=values, minlength=len(self))

    def take(self, searches: np.ndarray) -> "Targets":
        """The targets of the given searches, in their order. searches: integers (n,)."""
        lengths = np.diff(self.starts)[searches]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        entries = np.repeat(self.starts[searches] - starts[:-1], lengths) + np.arange(starts[-1])
        weights = None if self.weights is None else self.weights[searches]
        return Targets(starts, self.documents[entries], self.grades[entries], weights)


def target_ranks(ranked: np.ndarray, targets: Targets) -> np.ndarray:
    """int64 (targets,): the rank from 1 of each target in its search's run, 0 where the run does not hold it."""
    if len(ranked) != len(targets):
        raise ValueError(f"a run of {len(ranked)} searches does not fit targets of {len(targets)} searches")
    ranks = np.zeros(len(targets.documents), dtype=np.int64)
    depth = ranked.shape[1]
    if depth == 0:
        return ranks
    rows = targets.rows
    step = max(1, _CELLS // depth)
    for start in range(0, len(ranks), step):
        part = slice(start, start + step)
        found = ranked[rows[part]] == targets.documents[part, None]
        ranks[part] = np.where(found.any(axis=1), found.argmax(axis=1) + 1, 0)
    ranks[targets.documents < 0] = 0  # the -1 of an unknown target is not the -1 of an empty rank
    return ranks


def recall_at(ranked: np.ndarray, targets: Targets, k: int) -> np.ndarray:
    """float64 (searches,): sum over i <= k of 1[d_i in T], divided by |T|. Source: EBR."""
    found = (target_ranks(ranked[:, :k], targets) > 0) & (targets.grades > 0)
    return _divide(targets.sums(found), targets.counts)


def success_at(ranked: np.ndarray, targets: Targets, k: int) -> np.ndarray:
    """float64 (searches,): 1 where any target is among the first k, else 0."""
    return np.where(targets.counts > 0, reciprocal_rank_at(ranked, targets, k) > 0, np.nan)


def reciprocal_rank_at(ranked: np.ndarray, targets: Targets, k: int) -> np.ndarray:
    """float64 (searches,): 1 / rank of the first target among the first k, 0 where there is none."""
    ranks = target_ranks(ranked[:, :k], targets)
    found = (ranks > 0) & (targets.grades > 0)
    best = np.zeros(len(targets))
    np.maximum.at(best, targets.rows[found], 1.0 / ranks[found])
    return np.where(targets.counts > 0, best, np.nan)


def is_empty(ranked: np.ndarray, targets: Targets) -> np.ndarray:
    """float64 (searches,): 1 where the run has no document, else 0."""
    return (ranked[:, 0] < 0).astype(np.float64)


def ndcg_at(ranked: np.ndarray, targets: Targets, k: int) -> np.ndarray:
    """float64 (searches,): DCG@k / ideal DCG@k; gain = grade, discount = 1 / log2(1 + rank).

    A document of the run that is not among the targets has gain 0 and keeps its rank; `judged_only` removes such
    documents first. Ties are as the run orders them.
    """
    ranks = target_ranks(ranked[:, :k], targets)
    gained = targets.sums(np.where(ranks > 0, targets.grades * _discount(np.maximum(ranks, 1)), 0.0))
    rows = targets.rows
    best_first = np.lexsort((-targets.grades, rows))
    ideal_ranks = np.arange(len(rows)) - targets.starts[:-1][rows] + 1
    ideal_gains = targets.grades[best_first] * _discount(ideal_ranks) * (ideal_ranks <= k)
    return _divide(gained, targets.sums(ideal_gains))


def judged_only(ranked: np.ndarray, judged: Targets) -> np.ndarray:
    """The run without the documents nobody judged for the search ("condensed list"), the rest moved up, -1 behind.

    judged: every judged document, grade 0 included. Same shape as `ranked`. Use it where judgements are few: with
    it a system is measured by how it orders judged documents, not by how many of its documents were in the pool.
    """
    keep = np.zeros(ranked.shape, dtype=bool)
    ranks = target_ranks(ranked, judged)
    keep[judged.rows[ranks > 0], ranks[ranks > 0] - 1] = True
    order = np.argsort(~keep, axis=1, kind="stable")
    return np.take_along_axis(np.where(keep, ranked, -1), order, axis=1)


def _discount(ranks: np.ndarray) -> np.ndarray:
    return 1.0 / np.log2(1.0 + ranks)


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    quotients = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=quotients, where=denominator > 0)
    return quotients
