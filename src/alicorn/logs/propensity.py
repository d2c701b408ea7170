"""How likely is a result to be looked at, by its rank? Learned from what a log varied by itself; `alicorn propensity`

Where one document was shown for one query at rank k in some searches and at k' in others, by another model, by chance
or by ties, its clicks tell the two ranks apart: it is as relevant at both. Over all such documents, the clicks per
showing at k of those that were shown at k' too are p_k r_kk'. The p are found by alternating between p and r, which
maximises a Poisson likelihood, and are relative to rank 1. Source: Agarwal et al., "Estimating Position Bias without
Intrusive Interventions", WSDM 2019, section 4: interventional sets, and their joint estimate over all pairs of ranks.
It holds as far as the rank of a document, of one query, says nothing of who searches.

The interval is of 95 %, by a bootstrap over 200 groups of queries.
"""

from pathlib import Path
from typing import NamedTuple

import ibis
import numpy as np
from ibis import _

from alicorn.logs.tables import MEMORY_LIMIT, read_logs
from alicorn.vertical import Vertical

_GROUPS = 200
_RESAMPLES = 400
_MOST_ROUNDS = 2_000
_SETTLED = 1e-7


class Propensity(NamedTuple):
    """Of a rank, relative to rank 1. None where the log says nothing."""

    rank: int
    value: float | None
    low: float | None
    high: float | None

    def said(self) -> str:
        """0.71 [0.68, 0.74]; or that nothing is known."""
        if self.value is None or self.low is None or self.high is None:
            return "not known: no document was clicked both here and at ranks that are tied to the first"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def propensities(
    folder: str | Path, vertical: Vertical, ranks: int = 10, memory_limit: str = MEMORY_LIMIT
) -> list[Propensity]:
    """Of ranks 1 to `ranks`. Raises TableError as `read_logs` does."""
    with read_logs(folder, vertical, memory_limit=memory_limit) as logs:
        shown = logs.impressions.filter(_.doc_id.notnull() & (_.position <= ranks))
        clicked, showings = _interventions(shown, ranks)
    return _with_intervals(clicked, showings)


def _interventions(shown: ibis.Table, ranks: int) -> tuple[np.ndarray, np.ndarray]:
    """float64 (groups, ranks, ranks), twice. Of the pairs of query and document that were shown at k and at k': the sum
    of their clicks per showing at k, and how many they are."""
    of_rank = shown.group_by("query", "doc_id", "position").aggregate(
        times=_.count(), clicks=(_.grade > 0).sum().cast("int64")
    )
    other = of_rank.select("query", "doc_id", at="position")
    both = of_rank.join(other, ["query", "doc_id"]).filter(_.position != _["at"])
    group = (_.query.hash() % _GROUPS + _GROUPS) % _GROUPS
    cells = both.group_by(group=group, k="position", other="at").aggregate(
        clicked=(_.clicks / _.times).sum(), showings=_.count()
    )
    found = cells.to_pyarrow()
    place = tuple(found[name].to_numpy() - first for name, first in (("group", 0), ("k", 1), ("other", 1)))
    clicked, showings = np.zeros((2, _GROUPS, ranks, ranks))
    clicked[place], showings[place] = found["clicked"].to_numpy(), found["showings"].to_numpy()
    return clicked, showings


def all_pairs(clicked: np.ndarray, showings: np.ndarray) -> np.ndarray:
    """float64 (ranks,): propensities relative to the first rank; NaN of ranks that no chain of pairs ties to it.

    clicked, showings: (ranks, ranks), at row k of what was shown at column k' too.
    """
    tied = _tied_to_first(clicked)
    clicked, showings = clicked * np.outer(tied, tied), showings * np.outer(tied, tied)
    p = tied.astype(np.float64)
    for _round in range(_MOST_ROUNDS):
        r = _ratio(clicked + clicked.T, showings * p[:, None] + showings.T * p[None, :])
        following = _ratio(clicked.sum(axis=1), (showings * r).sum(axis=1))
        following = _ratio(following, np.full(len(p), following[0]))
        change, p = np.abs(following - p).max(), following
        if change < _SETTLED:
            break
    return np.where(tied, p, np.nan)


def _tied_to_first(clicked: np.ndarray) -> np.ndarray:
    """bool (ranks,): which ranks share clicked documents with the first, over any others."""
    joined = (clicked > 0) & (clicked.T > 0)
    tied = np.zeros(len(clicked), dtype=bool)
    tied[0] = joined[0].any()
    for _step in range(len(clicked)):
        tied |= joined[tied].any(axis=0)
    return tied


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
    return result


def _with_intervals(clicked: np.ndarray, showings: np.ndarray) -> list[Propensity]:
    rng = np.random.default_rng(0)
    value = all_pairs(clicked.sum(axis=0), showings.sum(axis=0))
    drawn = rng.multinomial(_GROUPS, np.full(_GROUPS, 1 / _GROUPS), _RESAMPLES)
    resampled = np.array(
        [all_pairs(np.tensordot(times, clicked, 1), np.tensordot(times, showings, 1)) for times in drawn]
    )
    found = []
    for at, of_rank in enumerate(value):
        known = resampled[:, at][~np.isnan(resampled[:, at])]
        low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
        numbers = [None if np.isnan(one) else float(one) for one in (of_rank, low, high)]
        found.append(Propensity(at + 1, *numbers))
    return found
