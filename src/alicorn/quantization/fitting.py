"""Fit the slack of a Calibration to what queries saw through filters: a slope of each K, a base of each K and recall.

With each filter, the mean recall exceeds the recall asked by one standard error. Without one, the third of the queries
whose bound is lowest, the middle third and the highest reach it each: what is right in the mean alone is wrong for a
kind of query.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from alicorn.quantization.calibration import KS, RECALLS

_BASES = np.arange(-1.0, 1.3025, 0.005)
_SLOPES = np.arange(0.0, 1.55, 0.1)
_WEIGHT = 5.0  # of a case without a filter: there are two, and ten with one
_PARTS = 3  # of a case's queries, by their bound
_LEAST_PART = 24  # queries
_ASKED = 0.95  # the recall by which slopes are compared
_NOT_MEASURED = -2.0
_LEAST_GROWTH = 0.05


class Case(NamedTuple):
    """One filter and one K. bounds: (queries,) of the documents looked at first; needed: (queries, k) the slack that
    finds each of the nearest, 0 where it is looked at first."""

    bounds: np.ndarray
    needed: np.ndarray


def slopes_of(cases: Sequence[dict[int, Case]], unfiltered: Collection[int]) -> np.ndarray:
    """Of each K, the slope with which all filters, and all parts of the queries by their bound, need nearly the same
    base: (len(KS),). unfiltered: places of the cases without a filter, which weigh more."""
    slopes = np.zeros(len(KS))
    for j in range(len(KS)):
        of_k = [(i, part) for i, measured in enumerate(cases) if j in measured for part in _parts(measured[j])]
        weights = np.array([_WEIGHT if i in unfiltered else 1.0 for i, _ in of_k])
        apart = np.zeros(len(_SLOPES))
        for i, slope in enumerate(_SLOPES):
            bases = np.array([_base_of(part, float(slope)) for _, part in of_k])
            here = bases > _BASES[0]
            apart[i] = np.average(bases[here].max() - bases[here], weights=weights[here]) if here.any() else 0.0
        slopes[j] = _SLOPES[np.argmin(apart)] if of_k else slopes[j - 1]
    return slopes


def bases_of(measured: dict[int, Case], slopes: np.ndarray, in_parts: bool = False) -> np.ndarray:
    """The base of each K and recall: (len(KS), len(RECALLS)). in_parts: with which each part reaches it, too."""
    bases = np.full((len(KS), len(RECALLS)), _NOT_MEASURED)
    for j, case in measured.items():
        of_parts = [_least_bases(_recalls(part, float(slopes[j])), 0.0) for part in _parts(case) if in_parts]
        bases[j] = np.max([_least_bases(_recalls(case, float(slopes[j])), 1.0), *of_parts], axis=0)
    return bases


def _parts(case: Case) -> list[Case]:
    """The queries whose bound is low, middling and high."""
    num_parts = max(1, min(_PARTS, len(case.bounds) // _LEAST_PART))
    by_bound = np.array_split(np.argsort(case.bounds, kind="stable"), num_parts)
    return [Case(case.bounds[part], case.needed[part]) for part in by_bound]


def _base_of(case: Case, slope: float) -> float:
    """The base with which the slope finds _ASKED of the nearest, estimated from up to 100 of each query."""
    needed = case.needed[:, :: -(-case.needed.shape[1] // 100)]
    least = np.where(needed > 0.0, needed - slope * case.bounds[:, None], _BASES[0]).ravel()
    place = max(0, math.ceil(_ASKED * len(least)) - 1)
    return float(np.partition(least, place)[place])


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


def _least_bases(found: np.ndarray, errors: float) -> np.ndarray:
    """Of each of RECALLS, the least base whose mean recall is so many standard errors above it: (len(RECALLS),)."""
    sure = found.mean(axis=0) - errors * found.std(axis=0) / np.sqrt(len(found))
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
