"""Estimates as the compiled search makes them: the arithmetic of a prepared query, over whole codes."""

import numba
import numpy as np
from numba.extending import overload

from alicorn.quantization import Codec
from alicorn.quantization.kernels.intrinsics import address
from alicorn.quantization.kernels.named import addresses, has_method


def estimated(query, code, fine, size, fine_size):
    raise NotImplementedError


@overload(estimated)
def _estimated(query, code, fine, size, fine_size):
    def of_one_part(query, code, fine, size, fine_size):
        return query.estimate(np.float32(0.0), code, size)[0]

    def of_two_parts(query, code, fine, size, fine_size):
        return query.estimate(np.float32(0.0), code, size)[0] + query.rest(code, fine, fine_size)

    return of_two_parts if has_method(query, "rest") else of_one_part


@numba.njit
def _estimates(query, codes, size, out):
    asked, fine_size = addresses(query), codes.shape[1] - size
    for row in range(len(codes)):
        code = address(codes) + codes.shape[1] * row
        out[row] = estimated(asked, code, code + size, size, fine_size)


@numba.njit
def _first_estimates(query, codes, size, out):
    asked = addresses(query)
    for row in range(len(codes)):
        estimate, rest = asked.estimate(np.float32(0.0), address(codes) + codes.shape[1] * row, size)
        out[row] = estimate + rest


def estimates(codec: Codec, query: np.ndarray, codes: np.ndarray, whole: bool = True) -> np.ndarray:
    """Of <query, point> for each code, by both parts, or by the first alone. codes: (n, code_size) -> (n,) float32."""
    out = np.empty(len(codes), dtype=np.float32)
    (_estimates if whole else _first_estimates)(codec.prepare(query), np.ascontiguousarray(codes), codec.scan_size, out)
    return out
