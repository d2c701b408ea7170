"""What a search of clusters takes of a query first: its cosines to centroids, and the query as the codec takes it.

The default, codes of centroids and SQ8, makes both in one compiled call. A call takes 1 us, and some 20 us when other
programs have emptied the caches (decision 114).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alicorn.compiled import kernel
from alicorn.quantization.coarse.ivf import CoarseQuantizer
from alicorn.quantization.coarse.probing import CentroidCodes, estimate_cosines
from alicorn.quantization.codecs.sq8 import SQ8, SQ8Query, prepare_weights
from alicorn.quantization.key import KeyQuantizer

FirstLook = Callable[[np.ndarray], tuple[np.ndarray, float, Any]]
"""(dim,) float32 of unit length -> (num_clusters,) float32 estimates of the cosines, how far each may be off, and the
query that the codec prepares."""


def first_look(quantizer: KeyQuantizer) -> FirstLook:
    """The fastest for a quantizer; the answer is that of `coarse.estimates` and `codec.prepare`."""
    coarse, codec = quantizer.coarse, quantizer.codec
    if isinstance(coarse, CoarseQuantizer) and coarse.codes is not None and isinstance(codec, SQ8):
        return _together(coarse.codes, codec)

    def apart(query: np.ndarray) -> tuple[np.ndarray, float, Any]:
        cosines, off = coarse.estimates(query)
        return cosines, float(off), codec.prepare(query)

    return apart


def _together(codes: CentroidCodes, codec: SQ8) -> FirstLook:
    centroids, grid = (codes.low, codes.step, codes.tiles), (codec.low, codec.step)
    num_estimates, num_clusters, num_weights = codes.num_estimates, codes.num_clusters, 4 * codec.scan_size
    prepare, make = _estimate_and_prepare.entry, tuple.__new__

    def together(query: np.ndarray) -> tuple[np.ndarray, float, Any]:
        estimates = np.empty(num_estimates, dtype=np.float32)
        weights = np.empty(num_weights, dtype=np.int8)
        off, *numbers = prepare(query, *centroids, estimates, *grid, weights)
        if num_estimates > num_clusters:
            estimates = estimates[:num_clusters]
        return estimates, float(codes.error + off), make(SQ8Query, (weights, *numbers))

    return together


@kernel(
    "UniTuple(float64, 5)(float32[::1], float32[::1], float32[::1], uint8[:, :, ::1], float32[::1], float32[::1],"
    " float32[::1], int8[::1])"
)
def _estimate_and_prepare(query, low, step, tiles, estimates, grid_low, grid_step, weights):
    """Fill the estimates and the weights -> the error of rounding the first, and the numbers of an SQ8Query."""
    off = estimate_cosines(query, low, step, tiles, estimates)
    unit, constant, middle, rounding = prepare_weights(query, grid_low, grid_step, weights)
    return np.float64(off), unit, constant, middle, rounding
