"""From odds to probabilities, and from probabilities to what is confident."""

from __future__ import annotations

import numpy as np

_STEPS = 25  # of Newton's method
_LEAST = 10  # documents above a threshold of a term's own


def calibration(odds: np.ndarray, has: np.ndarray, prefixes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """slope and offset of each term, (terms,) float64: of all terms of a prefix the same (Platt 1999).

    odds: (examples, terms). has: the same, 1 where the document has the term. prefixes: (terms,).
    """
    slope, offset = np.ones(len(prefixes)), np.zeros(len(prefixes))
    for prefix in np.unique(prefixes):
        here = prefixes == prefix
        slope[here], offset[here] = _line(odds[:, here].ravel(), has[:, here].ravel())
    return slope, offset


def _line(odds: np.ndarray, has: np.ndarray) -> tuple[float, float]:
    """Logistic regression on one number, a little drawn to the line that changes nothing."""
    points = np.column_stack([odds, np.ones(len(odds))])
    line = start = np.array([1.0, 0.0])

    def loss(tried: np.ndarray) -> float:
        values = points @ tried
        return float(np.logaddexp(0.0, values).sum() - has @ values + np.square(tried - start).sum() / 2.0)

    for _ in range(_STEPS):
        chances = 1.0 / (1.0 + np.exp(-np.clip(points @ line, -50.0, 50.0)))
        gradient = points.T @ (chances - has) + (line - start)
        curvature = (points * (chances * (1.0 - chances))[:, None]).T @ points + np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while loss(line - step) > loss(line) and np.abs(step).max() > 1e-9:
            step = step / 2.0
        line = line - step
    return float(line[0]), float(line[1])


def thresholds(chances: np.ndarray, has: np.ndarray, prefixes: np.ndarray, precision: float) -> np.ndarray:
    """(terms,) float64: the least probability from which on so many of the documents have the term, one standard error
    taken off. A term with too few examples takes that of its prefix; inf where there is none.
    """
    found = np.full(len(prefixes), np.inf)
    for prefix in np.unique(prefixes):
        here = np.flatnonzero(prefixes == prefix)
        of_all, _ = _threshold(chances[:, here].ravel(), has[:, here].ravel(), precision)
        for term in here.tolist():
            own, count = _threshold(chances[:, term], has[:, term], precision)
            enough = count >= _LEAST or (chances[:, term] >= of_all).sum() >= _LEAST
            found[term] = own if enough else of_all
    return found


def _threshold(chances: np.ndarray, has: np.ndarray, precision: float) -> tuple[float, int]:
    """The threshold, and how many are above it."""
    order = np.argsort(-chances, kind="stable")
    counts = np.arange(1, len(order) + 1)
    right = _wilson(np.cumsum(has[order]) / counts, counts, -1.0)
    is_last = np.append(chances[order][1:] < chances[order][:-1], True)  # equal ones are above it together
    enough = np.flatnonzero((right >= precision) & is_last)
    return (float(chances[order][enough[-1]]), int(enough[-1]) + 1) if len(enough) else (float("inf"), 0)


def wilson(share: float, count: int, z: float) -> tuple[float, float]:
    """The interval of a share of `count`, z standard errors wide to either side (Wilson 1927)."""
    low, high = _wilson(np.array([share, share]), np.array([count, count]), np.array([-z, z]))
    return float(low), float(high)


def _wilson(shares: np.ndarray, counts: np.ndarray, z: np.ndarray | float) -> np.ndarray:
    """The end of the interval that is z standard errors away."""
    squared = np.square(z)
    spread = z * np.sqrt(shares * (1.0 - shares) / counts + squared / (4.0 * np.square(counts)))
    return np.asarray((shares + squared / (2.0 * counts) + spread) / (1.0 + squared / counts))
