"""In which clusters must a search look for a recall? A rule of geometry with measured numbers, kept with a key.

A document at the angle a from its centroid, whose cosine is `spread`, is at the cosine b from a query only if it lies
on the query's side of the centroid. With s the cosine of query and centroid, and t that of the directions in which the
two leave the centroid,

    b = s cos a + t sqrt(1 - s^2) sin a.

In most dimensions t is small. A search leaves a cluster out if a member would need t above a slack to be as near as the
K-th nearest document known already. That document depends on the query and on the filter: if the allowed documents are
rare or far away, it is far away too, and more clusters are searched. The nearer it is, the more its direction agrees
with the query's, and the larger t gets: the slack is a base for each K and recall, and a slope of each K times b. So
one rule serves every filter and every kind of query (docs/decisions/045-recall-as-an-argument.md and 053).
measuring.py measures bases and slopes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np

from alicorn.compiled import kernel

KS = (1, 10, 100, 1000)
RECALLS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
_NONE, _ALL = 2.0, -2.0  # beyond every cosine


def first_scan(k: int) -> int:
    """How many allowed documents are read first: the K-th nearest of them decides how many more clusters are read."""
    return 2 * k + 30


@kernel("float64(float64, float64, float64, float64)")
def least_cosine(spread: float, slope: float, base: float, bound: float) -> float:
    """The least cosine to its centroid with which a further cluster is searched.

    base, slope: of the slack. bound: the cosine of the K-th nearest document known.
    """
    if math.isinf(base):
        return _ALL
    slack = max(0.0, base + slope * bound)
    aside = slack * math.sqrt(max(0.0, 1.0 - spread * spread))
    reach = math.hypot(spread, aside)
    if bound > reach:
        return _NONE
    angle = math.atan2(aside, spread) + math.acos(max(-1.0, bound / reach)) if reach else math.pi
    return math.cos(angle) if angle < math.pi else _ALL


def needed_slack(spread: float, cosines: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """The slack from which a further cluster is searched: the inverse of least_cosine.

    cosines: of the query and the clusters' centroids; bounds: of the K-th nearest documents known, of the same shape.
    """
    aside = math.sqrt(max(1e-12, 1.0 - spread * spread))
    best = np.sqrt(np.maximum(0.0, bounds**2 - spread**2)) / aside  # with less, no direction reaches the bound
    peak = np.where(bounds > spread, spread / np.maximum(bounds, 1e-12), 1.0)
    sines = np.sqrt(np.maximum(1e-12, 1.0 - cosines**2))
    needed = np.where(cosines < peak, (bounds - cosines * spread) / (sines * aside), best)
    result: np.ndarray = np.maximum(needed, 0.0)
    return result


class Slack(NamedTuple):
    """base + slope * bound, the bound being the cosine of the K-th nearest document known; base inf: all clusters."""

    slope: float
    base: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """spread: mean cosine of a vector to its centroid. slopes: of the slack, of each K: (len(KS),) float64. bases: of
    each K and recall: (len(KS), len(RECALLS)) float64; inf: all clusters.

    measured_on: number of vectors. growth: (len(KS),) by how much the bases rise with ten times as many.
    """

    spread: float
    slopes: np.ndarray
    bases: np.ndarray
    measured_on: int
    growth: np.ndarray

    def slack(self, k: int, recall: float, num_vectors: int) -> Slack:
        """For a mean recall among the k nearest, between the measured ones; beyond RECALLS it takes all clusters.

        num_vectors: as many as the key has now, which may be more than were measured.
        """
        return _slack(self, k, recall, num_vectors)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {
            "spread": np.array([self.spread]),
            "slopes": self.slopes,
            "bases": self.bases,
            "measured_on": np.array([self.measured_on]),
            "growth": self.growth,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        spread, measured_on = (arrays[name][0] for name in ("spread", "measured_on"))
        return cls(float(spread), arrays["slopes"], arrays["bases"], int(measured_on), arrays["growth"])


@lru_cache(maxsize=64)
def _slack(measured: Calibration, k: int, recall: float, num_vectors: int) -> Slack:
    """Computed once for all requests that ask the same: it takes as long as a small search."""
    if recall > RECALLS[-1]:
        return Slack(0.0, math.inf)
    of_recall = [float(np.interp(-math.log1p(-recall), -np.log1p(-np.array(RECALLS)), row)) for row in measured.bases]
    grown = math.log10(max(1.0, num_vectors / measured.measured_on)) * measured.growth
    base = float(np.interp(math.log(k), np.log(KS), of_recall + grown))
    return Slack(float(np.interp(math.log(k), np.log(KS), measured.slopes)), base)
