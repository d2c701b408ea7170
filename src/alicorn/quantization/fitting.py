"""Fit the slack of a Calibration to what queries saw through filters: one slope, and a base for each K and recall.

With each filter, the base that is kept exceeds the recall by one standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alicorn.quantization.calibration import KS, RECALLS

_BASES = np.arange(-1.0, 1.305, 0.01)
_SLOPES = np.arange(0.0, 1.05, 0.1)
_NOT_MEASURED = -2.0
_LEAST_GROWTH = 0.05


class Case(NamedTuple):
    """One filter and one K. bounds: (queries,) of the documents looked at first; needed: (queries, k) the slack that
    finds each of the nearest, 0 where it is looked at first."""

    bounds: np.ndarray
    needed: np.ndarray


def slope_of(cases: Sequence[dict[int, Case]]) -> float:
    """The slope with which all filters need nearly the same base."""
    asked = RECALLS.index(0.95)
    apart = np.zeros(len(_SLOPES))
    for j in range(len(KS) - 1):  # the last one takes longest, and says the same
        of_k = [measured[j] for measured in cases if j in measured]
        for i, slope in enumerate(_SLOPES):
            bases = np.array([_least_bases(_recalls(case, float(slope)))[asked] for case in of_k])
            bases = bases[np.isfinite(bases) & (bases > _BASES[0])]
            apart[i] += (bases.max() - bases).mean() if len(bases) else 0.0
    return float(_SLOPES[np.argmin(apart)])


def bases_of(measured: dict[int, Case], slope: float) -> np.ndarray:
    """The base of each K and recall: (len(KS), len(RECALLS))."""
    bases = np.full((len(KS), len(RECALLS)), _NOT_MEASURED)
    for j, case in measured.items():
        bases[j] = _least_bases(_recalls(case, slope))
    return bases


def _recalls(case: Case, slope: float) -> np.ndarray:
    """The recall of each query with each of _BASES: (queries, bases)."""
    num_queries, k = case.needed.shape
    least = np.where(case.needed > 0.0, case.needed - slope * case.bounds[:, None], _BASES[0])
    step = _BASES[1] - _BASES[0]
    places = np.ceil((least - _BASES[0]) / step - 1e-9).clip(0, len(_BASES)).astype(np.int64)
    places += (np.arange(num_queries) * (len(_BASES) + 1))[:, None]
    counts = np.bincount(places.ravel(), minlength=num_queries * (len(_BASES) + 1)).reshape(num_queries, -1)
    recalls: np.ndarray = np.cumsum(counts[:, :-1], axis=1) / k
    return recalls


def _least_bases(found: np.ndarray) -> np.ndarray:
    """Of each of RECALLS, the least base whose mean recall is a standard error above it: (len(RECALLS),)."""
    sure = found.mean(axis=0) - found.std(axis=0) / np.sqrt(len(found))
    enough = sure[None, :] >= np.array(RECALLS)[:, None]
    return np.where(enough.any(axis=1), _BASES[enough.argmax(axis=1)], np.inf)


def growth_of(all_of_them: np.ndarray, a_tenth: np.ndarray) -> np.ndarray:
    """By how much the bases of each K rise with ten times as many vectors, in the mean over the recalls."""
    measured = np.isfinite(all_of_them) & np.isfinite(a_tenth) & (all_of_them > _BASES[0]) & (a_tenth > _BASES[0])
    rise = np.full(all_of_them.shape, _LEAST_GROWTH)
    np.subtract(all_of_them, a_tenth, out=rise, where=measured)
    result: np.ndarray = np.maximum(rise.mean(axis=1), _LEAST_GROWTH)
    return result


def rising(bases: np.ndarray) -> np.ndarray:
    """More recall never takes a smaller base; a K that was not measured takes that of the one before."""
    result: np.ndarray = np.maximum.accumulate(bases, axis=1)
    for j in range(1, len(result)):
        if result[j, 0] == _NOT_MEASURED:
            result[j] = result[j - 1]
    return result
