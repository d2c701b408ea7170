"""The interests of one history: Ward clusters of its documents, each with a medoid and an importance. Pure functions.

    merge      the pair of clusters whose union adds least to the variance; stop where its distance passes `threshold`
    medoid     argmin_{m in C} sum_{j in C} |m - j|^2           a document of the history, never a mean of several
    importance sum_{i in C} exp(-decay * age_i)                 age in days

Ward's distance of two clusters is sqrt(2 n m / (n + m)) |centroid - centroid|, that of two documents their Euclidean
distance; of unit vectors sqrt(2 - 2 cos). The threshold decides how many interests a history has, and one of many
topics has more. Source: PinnerSage (KDD 2020); its threshold is unknown.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveInt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from alicorn.config import Config
from alicorn.errors import VectorError


class PinnerSage(Config):
    """threshold: Ward's distance at which merging stops. decay: of importance, a day; 0 counts documents alone.

    newest: so many documents of a history are read, since time and memory grow with their square: 500 take 2 MB.
    cover: the share of next choices that regions of the interests before them hold (regions.py).
    """

    threshold: NonNegativeFloat = 1.5
    decay: NonNegativeFloat = 0.01
    newest: PositiveInt = 500
    cover: Annotated[float, Field(gt=0, le=1)] = 0.5


@dataclass(frozen=True, eq=False)
class Interests:
    """Of one history, the most important first, ties by medoid.

    medoids: int64 (interests,), rows of the history. importance: float64 (interests,). clusters: int64 (documents,),
    the interest that each document of the history belongs to.
    """

    medoids: np.ndarray
    importance: np.ndarray
    clusters: np.ndarray

    def __len__(self) -> int:
        return len(self.medoids)


def interests(vectors: np.ndarray, ages: np.ndarray, settings: PinnerSage) -> Interests:
    """vectors: float (documents, dim), unit length. ages: float (documents,), days since each was chosen, 0 or more.

    Raises VectorError for the first document whose vector is not finite, or whose age is not finite or below 0.
    """
    for name, wrong in (
        ("vector has NaN or infinity", ~np.isfinite(vectors).all(axis=1)),
        ("age is not finite, or below 0 days", ~(np.isfinite(ages) & (ages >= 0))),
    ):
        if wrong.any():
            raise VectorError(f"document {int(wrong.argmax())} of a history (from 0): its {name}; leave it out")
    labels = ward(vectors, settings.threshold)
    with np.errstate(over="ignore"):  # exp(-infinity) is 0
        weights = np.exp(-settings.decay * ages)
    return summary(vectors, labels, weights)


def ward(vectors: np.ndarray, threshold: float) -> np.ndarray:
    """int64 (documents,): the cluster of each, from 0. vectors: float (documents, dim)."""
    if len(vectors) < 2:
        return np.zeros(len(vectors), dtype=np.int64)
    merges = linkage(pdist(np.asarray(vectors, dtype=np.float64)), "ward")
    result: np.ndarray = fcluster(merges, threshold, "distance").astype(np.int64) - 1
    return result


def summary(vectors: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Interests:
    """The medoid and the summed weight of each cluster. labels: int64 (documents,), from 0; every label occurs."""
    count = int(labels.max(initial=-1)) + 1
    importance = np.bincount(labels, weights=weights, minlength=count)
    medoids = np.array([medoid(vectors, np.flatnonzero(labels == label)) for label in range(count)], dtype=np.int64)
    order = np.lexsort((medoids, -importance))
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    return Interests(medoids[order], importance[order], place[labels])


def medoid(vectors: np.ndarray, members: np.ndarray) -> int:
    """The member with the least sum of squared distances to all, the first where several have it.

    sum_j |m - j|^2 = n |m - mean|^2 + a constant, so that it is the member nearest to the mean.
    """
    own = np.asarray(vectors[members], dtype=np.float64)
    return int(members[np.argmin(np.square(own - own.mean(axis=0)).sum(axis=1))])


def drawn(importance: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """int64 (min(count, interests),): interests drawn without replacement in proportion to importance, best first.

    An interest whose importance has decayed to zero is drawn after all others, in order.
    """
    if len(importance) <= count:
        return np.arange(len(importance))
    shares = importance / (importance.max() or 1.0)  # so that no sum overflows
    shares /= shares.sum() or 1.0
    if np.count_nonzero(shares) <= count:
        return np.arange(count)
    return np.sort(rng.choice(len(importance), count, replace=False, p=shares))
