"""The expectation of a share, such as the NDCG that a search loses: the logistic function of a weighted sum.

Fractional logit (Papke and Wooldridge 1996): the likelihood of a logistic regression, with shares in the place of 0 and
1; its weights are shrunk by a ridge over standardised columns, the constant is not.
"""

import numpy as np

_ROUNDS = 50
_RIDGE = 1.0


def fit_share(columns: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Weights of columns, (columns,) float64. columns: (rows, columns), the first all 1. shares: (rows,), in [0, 1].

    A column that does not vary has weight 0.
    """
    means, spreads = columns[:, 1:].mean(axis=0), columns[:, 1:].std(axis=0)
    varies = spreads > 1e-9 * (1.0 + np.abs(means))
    scale = np.where(varies, spreads, 1.0)
    scaled = np.column_stack([columns[:, 0], (columns[:, 1:] - means) / scale])
    penalty = np.full(scaled.shape[1], _RIDGE)
    penalty[0] = 1e-6
    weights = np.zeros(scaled.shape[1])
    cost = _cost(scaled, shares, weights, penalty)
    for _ in range(_ROUNDS):  # Newton, with steps that are halved until the cost, which is convex, falls
        expected = expectation(scaled, weights)
        curvature = (scaled.T * (expected * (1 - expected))) @ scaled + np.diag(penalty)
        step = np.linalg.solve(curvature, scaled.T @ (expected - shares) + penalty * weights)
        while (tried := _cost(scaled, shares, weights - step, penalty)) > cost and np.abs(step).max() > 1e-9:
            step /= 2
        if tried >= cost:
            break
        weights, cost = weights - step, tried
    own = np.where(varies, weights[1:] / scale, 0.0)
    return np.concatenate([[weights[0] - own @ means], own])


def expectation(columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(rows,)."""
    expected: np.ndarray = 1.0 / (1.0 + np.exp(-np.clip(columns @ weights, -700.0, 700.0)))
    return expected


def _cost(columns: np.ndarray, shares: np.ndarray, weights: np.ndarray, penalty: np.ndarray) -> float:
    """Minus the logarithm of the likelihood, with the ridge."""
    sums = columns @ weights
    return float(np.sum(np.logaddexp(0.0, sums) - shares * sums) + 0.5 * penalty @ np.square(weights))
