"""A small logged exploration: neighbours of a page are swapped with a known probability.

Either the hits 1 and 2, 3 and 4, ... or the hits 2 and 3, 4 and 5, ... are pairs, each choice with probability 1/2;
each pair is swapped with the probability that the server is given. So a hit is at most one place from where it belongs,
and the log tells positions from documents (logs/propensity.py) at the cost of a few pages that are a little worse.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Swapped(NamedTuple):
    """The hits of a page as they are shown. places: (hits,) int64, where each was before, from 0. probabilities:
    (hits,) float64 of being shown there, given where it was."""

    places: np.ndarray
    probabilities: np.ndarray


def swapped(num_hits: int, probability: float, random: Callable[[], float]) -> Swapped:
    """probability: in (0, 1). random: uniform in [0, 1), for each call."""
    first = int(random() < 0.5)
    places = np.arange(num_hits)
    for left in range(first, num_hits - 1, 2):
        if random() < probability:
            places[left], places[left + 1] = left + 1, left
    num_pairs = np.where((np.arange(num_hits) == 0) | (np.arange(num_hits) == num_hits - 1), 1.0, 2.0)[places]
    if num_hits == 1:
        num_pairs[:] = 0.0
    stays = 1.0 - probability * num_pairs / 2
    return Swapped(places, np.where(places == np.arange(num_hits), stays, probability / 2))
