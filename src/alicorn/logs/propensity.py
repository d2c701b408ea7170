"""How likely is a result to be looked at, by its rank? Learned from what a log varied; `alicorn propensity`

Where one document was shown for one query at rank k in some searches and at k' in others, by another model, by chance
or by ties, its clicks tell the two ranks apart: it is as relevant at both (intervention harvesting: Agarwal et al.,
"Estimating Position Bias without Intrusive Interventions", WSDM 2019, section 4). That holds as far as the rank of a
document, of one query, says nothing of who searches. A ranker that knows the searcher breaks it. Then neighbours have
to be swapped with a known probability (`--swap` of `alicorn serve`), and what the ranker had at a rank, shown there or
one further, is compared with itself, each showing weighed by the inverse of its probability (Joachims et al., "Unbiased
Learning-to-Rank with Biased Feedback", WSDM 2017, section 5). A log with swaps is read so, and without the rest.

Of a document with n_k showings at rank k, a click falls on rank k with probability n_k p_k / sum_j n_j p_j, whatever
its relevance. The p that make the clicks of the log most likely are found by Newton's method, relative to rank 1. The
interval is of 95 %: the variance of the sum of scores over 200 groups of queries (the sandwich estimator).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import ibis
import numpy as np
import pyarrow as pa
from ibis import _

from alicorn.logs.tables import MEMORY_LIMIT, read_logs
from alicorn.vertical import Vertical

GROUPS = 200
_QUANTILE = 1.972  # of Student's t with 199 degrees of freedom
_CHUNK = 100_000  # documents whose ranks are a matrix at a time
_MOST_STEPS = 100
_SETTLED = 1e-9


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


class Varied(NamedTuple):
    """What was shown at several ranks: a row for each document and rank. swapped: by swaps of known probability.

    units: (rows,) int64 from 0, ascending: which document. groups, ranks: (rows,) int64 from 0. showings, clicks:
    (rows,) float64.
    """

    units: np.ndarray
    groups: np.ndarray
    ranks: np.ndarray
    showings: np.ndarray
    clicks: np.ndarray
    swapped: bool = False


class Propensities(NamedTuple):
    """swapped: whether the log has swaps of known probability, and nothing else was read. clicks: on documents that
    were shown at several ranks."""

    ranks: list[Propensity]
    swapped: bool
    clicks: int


def propensities(
    folder: str | Path, vertical: Vertical, ranks: int = 10, memory_limit: str = MEMORY_LIMIT
) -> Propensities:
    """Of ranks 1 to `ranks`. Raises TableError as `read_logs` does."""
    with read_logs(folder, vertical, memory_limit=memory_limit) as logs:
        varied = _varied(logs.impressions.filter(_.doc_id.notnull()), ranks)
    return Propensities(estimated(varied, ranks), varied.swapped, round(float(varied.clicks.sum())))


def _varied(shown: ibis.Table, ranks: int) -> Varied:
    swapped = shown.aggregate(any=(_.probability < 1).any()).to_pyarrow()["any"][0].as_py() or False
    rows = _swapped(shown) if swapped else _harvested(shown)
    rows = rows.filter(_.position <= ranks)
    wanted = rows.group_by("unit").aggregate(ranks=_.count(), clicks=_.clicks.sum())
    rows = rows.semi_join(wanted.filter((_.ranks > 1) & (_.clicks > 0)), "unit").order_by("unit")
    return _arrays(rows.select("unit", "group", "position", "showings", "clicks").to_pyarrow(), swapped)


def _harvested(shown: ibis.Table) -> ibis.Table:
    """A query with a document is one unit."""
    counted = shown.group_by("query", "doc_id", "position").aggregate(
        showings=_.count().cast("float64"), clicks=(_.grade > 0).sum().cast("float64")
    )
    return counted.mutate(unit=ibis.array([_.query, _.doc_id]).hash(), group=_group(_.query))


def _swapped(shown: ibis.Table) -> ibis.Table:
    """What was ranked at one rank of pages of one kind, in the searches of one group of queries, is one unit."""
    pages = shown.group_by("search_id").aggregate(first=_["rank"].min(), last=_["rank"].max())
    known = shown.filter(_.probability.notnull() & _["rank"].notnull()).join(pages, "search_id")
    known = known.mutate(group=_group(_.query), weight=1 / _.probability)
    return known.group_by("group", "first", "last", "rank", "position").aggregate(
        unit=ibis.array([_.group, _.first, _.last, _["rank"]]).hash().arbitrary(),
        showings=_.weight.sum(),
        clicks=_.weight.sum(where=_.grade > 0).fill_null(0.0),
    )


def _group(query: ibis.Deferred) -> ibis.Deferred:
    return (query.hash() % GROUPS + GROUPS) % GROUPS


def _arrays(rows: pa.Table, swapped: bool) -> Varied:
    starts = np.flatnonzero(np.diff(rows["unit"].to_numpy(), prepend=np.nan) != 0)
    units = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(rows))))
    numbers = (rows["group"].to_numpy().astype(np.int64), rows["position"].to_numpy().astype(np.int64) - 1)
    return Varied(units, *numbers, rows["showings"].to_numpy(), rows["clicks"].to_numpy(), swapped)


def estimated(varied: Varied, ranks: int) -> list[Propensity]:
    """With intervals; nothing is known of ranks that no chain of documents ties to the first."""
    tied = _tied_to_first(varied, ranks)
    found = [Propensity(rank, None, None, None) for rank in range(1, ranks + 1)]
    if not tied.any():
        return found
    among = np.flatnonzero(tied)
    logs = np.zeros(len(among))
    for _step in range(_MOST_STEPS):
        score, information, by_group = _scored(varied, among, logs)
        change = np.append(0.0, np.linalg.solve(information[1:, 1:], score[1:]))
        logs += np.clip(change, -1.0, 1.0)
        if np.abs(change).max() < _SETTLED:
            break
    inverse = np.linalg.inv(information[1:, 1:])
    spread = by_group[:, 1:].T @ by_group[:, 1:] * (GROUPS / (GROUPS - 1))
    errors = np.append(0.0, np.sqrt(np.diag(inverse @ spread @ inverse)))
    for at, log, error in zip(among.tolist(), logs.tolist(), errors.tolist(), strict=True):
        value, low, high = np.exp([log, log - _QUANTILE * error, log + _QUANTILE * error]).tolist()
        found[at] = Propensity(at + 1, value, low, high)
    return found


def _matrices(varied: Varied, among: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of some documents after others: showings and clicks (documents, len(among)), groups (documents,)."""
    place = np.full(int(max(varied.ranks.max(initial=0), among.max())) + 1, -1)
    place[among] = np.arange(len(among))
    column = place[varied.ranks]
    count = int(varied.units[-1]) + 1 if len(varied.units) else 0
    for first in range(0, count, _CHUNK):
        start, stop = np.searchsorted(varied.units, (first, first + _CHUNK))
        rows = np.arange(start, stop)[column[start:stop] >= 0]
        own = varied.units[rows] - first
        showings, clicks = np.zeros((2, min(_CHUNK, count - first), len(among)))
        showings[own, column[rows]], clicks[own, column[rows]] = varied.showings[rows], varied.clicks[rows]
        groups = np.zeros(len(showings), dtype=np.int64)
        groups[own] = varied.groups[rows]
        yield showings, clicks, groups


def _scored(varied: Varied, among: np.ndarray, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradient (ranks,) of the log-likelihood, its negative Hessian (ranks, ranks), and the gradient of each group
    of queries (GROUPS, ranks)."""
    information = np.zeros((len(among), len(among)))
    by_group = np.zeros((GROUPS, len(among)))
    for showings, clicks, groups in _matrices(varied, among):
        share = showings * np.exp(logs)
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
        total = clicks.sum(axis=1, keepdims=True)
        expected = total * share
        np.add.at(by_group, groups, clicks - expected)
        information += np.diag(expected.sum(axis=0)) - share.T @ expected
    return by_group.sum(axis=0), information, by_group


def _tied_to_first(varied: Varied, ranks: int) -> np.ndarray:
    """bool (ranks,): which ranks share clicked documents with the first, over any others."""
    clicked = np.zeros((ranks, ranks))  # at row k, on documents that were shown at column j too
    for showings, clicks, _groups in _matrices(varied, np.arange(ranks)):
        clicked += clicks.T @ (showings > 0)
    np.fill_diagonal(clicked, 0.0)
    joined = (clicked > 0) & (clicked.T > 0)
    tied = np.zeros(ranks, dtype=bool)
    tied[0] = joined[0].any()
    for _step in range(ranks):
        tied |= joined[tied].any(axis=0)
    return tied
