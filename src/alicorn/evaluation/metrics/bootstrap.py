"""How sure is a mean over searches? Percentile bootstrap over searches.

Searches are drawn with replacement, all systems and metrics together: row r of the result is one resample of the same
searches for every column, so the difference of two columns is the *paired* difference. Searches are taken as
independent; many searches by one searcher or for one document make the true interval wider (papers give none).
"""

from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 1000
_CELLS = 1 << 21  # draws per block: 16 MiB of int64


@dataclass(frozen=True)
class Interval:
    """A mean over searches with its percentile confidence interval [low, high]. NaN all three without any search."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def resampled_means(
    values: np.ndarray, *, weights: np.ndarray | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> np.ndarray:
    """float64 (resamples, columns): column means over redrawn searches. values: (searches, columns), finite.

    weights: (searches,), above 0; None: all alike.
    """
    num_searches, num_columns = values.shape
    if num_searches == 0:
        return np.full((resamples, num_columns), np.nan)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, num_columns))
    counted = np.ones(num_searches) if weights is None else weights
    weighed = values * counted[:, None]
    block = max(1, _CELLS // num_searches)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(num_searches, size=(rows, num_searches), dtype=np.int64)
        drawn += np.arange(rows)[:, None] * num_searches
        times = np.bincount(drawn.ravel(), minlength=rows * num_searches).reshape(rows, num_searches)
        times = times.astype(np.float64)
        means[start : start + rows] = times @ weighed / (times @ counted)[:, None]
    return means


def interval(mean: float, means: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """The percentile interval of `means` (resamples,) around the observed mean."""
    if np.isnan(mean):
        return Interval(float("nan"), float("nan"), float("nan"))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(float(mean), float(low), float(high))


def mean_interval(values: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The mean of one value per search and its interval. values: (searches,); NaN means "no value" and is left out."""
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    mean = values.mean() if len(values) else float("nan")
    return interval(mean, resampled_means(values[:, None], resamples=resamples, seed=seed)[:, 0])


def paired_difference(
    values: np.ndarray, baseline: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The mean of `values - baseline` and its interval. Both: (searches,), row i of both is the same search."""
    if len(values) != len(baseline):
        raise ValueError(f"a paired difference needs the same searches twice, got {len(values)} and {len(baseline)}")
    return mean_interval(np.asarray(values) - np.asarray(baseline), resamples=resamples, seed=seed)
