"""How far does an interest reach? A radius around each medoid, so that an interest is a region and not a point.

    spread   the mean cosine distance to the medoid of the documents that were chosen with it; of a medoid alone unknown
    width    (n spread + common) / (n + 1) for n documents beside the medoid, so that a small cluster has a width like
             all others: common is the mean over all clusters
    radius   reach * width, with a reach by which a share of next choices is in a region of the history before them

Seq2Bubbles (CIKM 2021) represents a searcher by bubbles, each a centre and a radius: centres are the modes of a
history, radii say how concentrated each is. Its equations and its training are not known to us; this rule is ours, over
vectors that stay as they are, and has one radius for all dimensions, as `(nn :radius)` serves it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alicorn.interests.clusters import Interests

_FARTHEST = 2.0  # of cosine distances
_LEAST = 1e-6


class Reach(NamedTuple):
    """What radii are made of beside the spread of a cluster: common, reach (above)."""

    common: float
    reach: float


class Held(NamedTuple):
    """A next choice: its cosine distances to the medoids of the history before it; spreads and sizes of these."""

    distances: np.ndarray
    spreads: np.ndarray
    sizes: np.ndarray


def spreads(vectors: np.ndarray, found: Interests) -> np.ndarray:
    """float64 (interests,), cosine distance; 0 for a medoid alone. vectors: float (documents, dim), unit length."""
    medoids = vectors[found.medoids][found.clusters]
    distances = np.maximum(0.0, 1.0 - np.einsum("ij,ij->i", vectors, medoids, dtype=np.float64))
    sizes = np.bincount(found.clusters, minlength=len(found))
    summed = np.bincount(found.clusters, weights=distances, minlength=len(found))
    return np.asarray(summed / np.maximum(sizes - 1, 1))


def held_out(vectors: np.ndarray, found: Interests) -> Held:
    """vectors: of a history in order, whose last document is the next choice; found: of those before it."""
    distances = 1.0 - vectors[:-1][found.medoids] @ vectors[-1]
    return Held(distances, spreads(vectors[:-1], found), np.bincount(found.clusters, minlength=len(found)))


def learned_reach(held: list[Held], cover: float) -> Reach:
    """cover: the share of the next choices that regions hold. Without two documents in any cluster, or without a next
    choice, nothing is known of widths, and every document is in reach."""
    others = np.concatenate([np.empty(0), *(np.maximum(one.sizes - 1, 0) for one in held)])
    own = np.concatenate([np.empty(0), *(one.spreads for one in held)])
    common = float(others @ own / others.sum()) if others.sum() else 0.0
    if common <= 0:
        return Reach(_FARTHEST, 1.0)
    ratios = [float(np.min(one.distances / _widths(one.spreads, one.sizes, common))) for one in held]
    return Reach(common, max(float(np.quantile(ratios, cover)), 0.0))


def radii(spread: np.ndarray, sizes: np.ndarray, reach: Reach) -> np.ndarray:
    """float64 (interests,), in (0, 2]: cosine distance, as `(nn :radius)` takes it."""
    return np.clip(reach.reach * _widths(spread, sizes, reach.common), _LEAST, _FARTHEST)


def _widths(spread: np.ndarray, sizes: np.ndarray, common: float) -> np.ndarray:
    others = np.maximum(sizes - 1, 0)
    return np.asarray((others * spread + common) / (others + 1))
