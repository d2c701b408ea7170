"""Constant arrays (all 0, all 1, or 0, 1, 2, ...), which are not stored and which all segments share.

In most collections no document has a static rank, text terms or a term twice, and all have an embedding. The arrays
of these are the same in every segment, so their length is enough.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Implied = Callable[[int], np.ndarray]
_made: dict[Implied, np.ndarray] = {}


def no_ranks(count: int) -> np.ndarray:
    """0.0, (count,) float64."""
    return _first(_no_ranks, count)


def no_lengths(count: int) -> np.ndarray:
    """0, (count,) uint32."""
    return _first(_no_lengths, count)


def once(count: int) -> np.ndarray:
    """1, (count,) uint8."""
    return _first(_once, count)


def all_valid(count: int) -> np.ndarray:
    """True, (count,) bool."""
    return once(count).view(bool)


def in_order(count: int) -> np.ndarray:
    """0, 1, 2 ..., (count,) uint32."""
    return _first(_in_order, count)


def in_order_signed(count: int) -> np.ndarray:
    """0, 1, 2 ..., (count,) int32."""
    return in_order(count).view(np.int32)


def _no_ranks(count: int) -> np.ndarray:
    return np.zeros(count)


def _no_lengths(count: int) -> np.ndarray:
    return np.zeros(count, dtype=np.uint32)


def _once(count: int) -> np.ndarray:
    return np.ones(count, dtype=np.uint8)


def _in_order(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint32)


def _first(make: Implied, count: int) -> np.ndarray:
    """The first `count` values of the longest array of its kind; a longer one is made if that is too short."""
    longest = _made.get(make)
    if longest is None or len(longest) < count:
        longest = _made[make] = make(count)
    return longest[:count]
