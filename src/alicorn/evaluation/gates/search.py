"""The gate: learned and cut on half of the searches, measured on the other half beside the rules that exist.

Every search is answered as served twice: by the hybrid expression without any rule, and by the Boolean one. What the
second loses of NDCG@10 is learned from what words alone say of the text. The cut is the largest at which the upper end
of the interval of the loss, averaged over all searches, is at most what may be lost; each search of the half that
chooses is judged by weights that have not seen it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from alicorn.errors import ConfigError
from alicorn.evaluation.gates.fractional import expectation, fit_share
from alicorn.evaluation.metrics.bootstrap import Interval, mean_interval
from alicorn.evaluation.metrics.ranking import ndcg_at, recall_at
from alicorn.evaluation.searches import Searches
from alicorn.evaluation.systems.served import encoding_times, known_columns, request_vectors, served
from alicorn.retrieval.reading.by_words import ByWords
from alicorn.retrieval.retriever import Retriever
from alicorn.vertical import Selection
from alicorn.vertical.selection.requests import LearnedRule, Sign

K = 10
_SIGNS: tuple[Sign, ...] = get_args(Sign)
_FOLDS = 5
_SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
_ABOVE = 1.96  # standard errors


@dataclass(frozen=True)
class Closed:
    """What it costs and saves that some searches go without `nn`, as means over all searches.

    by: the rule. share: of the searches. lost: measure -> hybrid minus Boolean, 0 where the gate is open. us: the
    median microseconds of a request, weighted by the share.
    """

    by: str
    share: float
    lost: Mapping[str, Interval]
    us: float

    def to_dict(self) -> dict[str, Any]:
        lost = {name: [round(x, 6) for x in (of.mean, of.low, of.high)] for name, of in self.lost.items()}
        return {"by": self.by, "share": self.share, "lost": lost, "us": round(self.us, 1)}


@dataclass(frozen=True)
class GateSearch:
    """rule: None where nothing may be closed. lost: of NDCG@10, what may be.

    On the searches that did not choose: chosen, the rule; rules, those that the vertical has, each by itself; curve,
    the learned rule at several shares.

    us: median microseconds of the hybrid expression with its encoding, of the Boolean one, and of the signs.
    """

    rule: LearnedRule | None
    chosen: Closed | None
    rules: tuple[Closed, ...]
    curve: tuple[Closed, ...]
    lost: float
    us: Mapping[str, float]
    num_choosing: int
    num_measuring: int

    @property
    def is_worth_having(self) -> bool:
        """Whether it closes for some of the searches that did not choose it, and loses no more than it may."""
        return self.chosen is not None and self.chosen.share > 0 and self.chosen.lost[f"NDCG@{K}"].mean <= self.lost

    def to_dict(self) -> dict[str, Any]:
        return {
            "worth_having": self.is_worth_having,
            "rule": None if self.rule is None else self.rule.model_dump(mode="json"),
            "chosen": None if self.chosen is None else self.chosen.to_dict(),
            "rules": [one.to_dict() for one in self.rules],
            "curve": [one.to_dict() for one in self.curve],
            "may_be_lost": self.lost,
            "us": dict(self.us),
            "searches_that_chose": self.num_choosing,
            "searches_that_measured": self.num_measuring,
        }


@dataclass(frozen=True)
class _Answers:
    """Of every search: signs (searches, signs); lost: measure -> (searches,); the rule that it goes by, of each."""

    signs: np.ndarray
    lost: Mapping[str, np.ndarray]
    rules: np.ndarray
    us: Mapping[str, float]

    def closed(self, by: str, closed: np.ndarray, rows: np.ndarray, is_learned: bool) -> Closed:
        """closed: of the rows."""
        lost = {name: mean_interval(np.where(closed, values[rows], 0.0)) for name, values in self.lost.items()}
        share = float(closed.mean())
        us = (1 - share) * self.us["hybrid"] + share * self.us["boolean"] + is_learned * self.us["signs"]
        return Closed(by, share, lost, us)


def search_gate(retriever: Retriever, searches: Searches, key: str, lost: float, seed: int = 0) -> GateSearch:
    """key: of the embedding. lost: of NDCG@10, what may be lost on average over all searches.

    Raises ConfigError for fewer than 20 searches, and for a vertical whose hybrid expression has no `nn`.
    """
    vertical = retriever.vertical
    assert vertical is not None, "a text is read by a vertical"
    if len(searches) < 20:
        raise ConfigError(f"half of the searches choose and half measure: 20 are the least, got {len(searches)}")
    if not vertical.expressions.hybrid.keys:
        raise ConfigError("expressions.hybrid of the vertical has no nn: there is nothing to leave out")
    answers = _answers(retriever, searches, key)
    shuffled = np.random.default_rng(seed).permutation(len(searches))
    choosing, measuring = np.sort(shuffled[: len(searches) // 2]), np.sort(shuffled[len(searches) // 2 :])
    losses = answers.lost[f"NDCG@{K}"]
    shares = np.clip(losses, 0.0, 1.0)
    weights = fit_share(answers.signs[choosing], shares[choosing])
    at_most = _cut(_unseen(answers.signs[choosing], shares[choosing]), losses[choosing], lost)
    named = {sign: float(f"{weight:.4g}") for sign, weight in zip(_SIGNS, weights, strict=True) if weight}
    rule = None if at_most is None else LearnedRule(kind="learned", at_most=at_most, weights=named)
    expected = expectation(answers.signs[measuring], np.array([named.get(sign, 0.0) for sign in _SIGNS]))
    of_rules = answers.rules[measuring]
    rules = [answers.closed(by, of_rules == by, measuring, False) for by in dict.fromkeys(of_rules.tolist()) if by]
    cuts = [(share, float(np.quantile(expected, share, method="lower"))) for share in _SHARES]
    curve = [answers.closed(f"learned, {cut:.3g}", expected <= cut, measuring, True) for _, cut in cuts]
    chosen = None if rule is None else answers.closed(rule.label, expected <= rule.at_most, measuring, True)
    return GateSearch(rule, chosen, tuple(rules), tuple(curve), lost, answers.us, len(choosing), len(measuring))


def _answers(retriever: Retriever, searches: Searches, key: str) -> _Answers:
    vertical = retriever.vertical
    assert vertical is not None
    open_selection = Selection(documents=vertical.selection.documents)
    model = retriever.models[key].with_vertical(vertical.model_copy(update={"selection": open_selection}))
    always = Retriever(retriever.collection, [model], classifier=retriever.classifier)
    hybrid = served(always, searches, K, "hybrid", key, request_vectors(always, searches, key))
    boolean = served(always, searches, K, "boolean")
    lost = {
        f"{name}@{K}": np.nan_to_num(measure(hybrid.run, searches.targets, K))
        - np.nan_to_num(measure(boolean.run, searches.targets, K))
        for name, measure in (("recall", recall_at), ("NDCG", ndcg_at))
    }
    known = known_columns(searches, retriever.columns)
    asked = [
        ByWords(retriever.collection, vertical, query, known[row], searches.chosen(row))
        for row, query in enumerate(searches.queries)
    ]
    signs, took_us = np.empty((len(searches), len(_SIGNS))), np.empty(len(searches))
    for row, one in enumerate(asked):
        started = time.perf_counter()
        found = one.signs()
        took_us[row] = (time.perf_counter() - started) * 1e6
        signs[row] = [found[sign] for sign in _SIGNS]
    others = vertical.selection.without_learned()
    rules = np.array(
        [others.untriggered(query, one) for query, one in zip(searches.queries, asked, strict=True)], object
    )
    encoding_us = float(np.median(encoding_times(always, searches, key))) * 1e3
    us = {
        "hybrid": encoding_us + float(np.median(hybrid.took_ms)) * 1e3,
        "boolean": float(np.median(boolean.took_ms)) * 1e3,
        "signs": float(np.median(took_us)),
    }
    return _Answers(signs, lost, rules, us)


def _unseen(signs: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(searches,): the expectation of each, by weights that the other folds gave."""
    folds = np.arange(len(signs)) % _FOLDS
    found = np.empty(len(signs))
    for fold in range(_FOLDS):
        here = folds == fold
        found[here] = expectation(signs[here], fit_share(signs[~here], shares[~here]))
    return found


def _cut(expected: np.ndarray, losses: np.ndarray, most: float) -> float | None:
    """The largest expectation up to which what is lost is at most `most`, two digits; None where it never is.

    losses: (searches,), of those that are closed; the mean is over all searches, and so is its standard error.
    """
    order = np.argsort(expected, kind="stable")
    means = np.cumsum(losses[order]) / len(order)
    squares = np.cumsum(np.square(losses[order])) / len(order)
    upper = means + _ABOVE * np.sqrt(np.maximum(squares - np.square(means), 0.0) / len(order))
    last_of_equal = np.append(np.diff(expected[order]) > 0, True)
    fits = np.flatnonzero((upper <= most) & last_of_equal)
    if not len(fits):
        return None
    largest = float(expected[order][fits[-1]])
    return min(max(float(f"{largest:.2g}"), 1e-6), 0.99)
