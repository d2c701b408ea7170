"""What the instructions of this process make of packed levels, as one number: `python products_digest.py`.

test_kernels.py runs it as another processor would.
"""

import numba
import numpy as np
import xxhash

from alicorn.quantization.kernels.dot import dot
from alicorn.quantization.kernels.intrinsics import HAS_VNNI, address
from alicorn.quantization.kernels.levels import (
    TILE,
    dot_levels,
    dot_tile,
    level_weights,
    packed,
    plane_width,
    split_weights,
    tiled,
)


def digest() -> str:
    """Of products of planes, of tiles and of float32 rows, for many dimensions."""

    @numba.njit
    def products(plane, weights, tiles, parts, unit, rows, sums, estimates, cosines):
        for row in range(len(plane)):
            sums[row] = dot_levels(address(plane) + row * plane.shape[1], plane.shape[1], address(weights))
            cosines[row] = dot(address(rows), address(rows) + 4 * row * rows.shape[1], rows.shape[1])
        groups = tiles.shape[1]
        for tile in range(len(tiles)):
            out = address(estimates) + 4 * TILE * tile
            dot_tile(address(tiles) + 64 * groups * tile, groups, address(parts), unit, np.float32(0.1), out)

    seen = xxhash.xxh3_64()
    for dim in (1, 31, 32, 33, 64, 65, 100, 128, 300):
        rng = np.random.default_rng(dim)
        plane = packed(rng.integers(16, size=(5, dim), dtype=np.uint8))
        weights = np.empty(4 * plane_width(dim), dtype=np.int8)
        level_weights(rng.standard_normal(dim).astype(np.float32), weights)
        tiles = tiled(rng.integers(256, size=(20, dim), dtype=np.uint8))
        parts = np.empty((2, 4 * tiles.shape[1]), dtype=np.int8)
        unit = np.float32(split_weights(rng.standard_normal(dim).astype(np.float32), parts))
        rows = rng.standard_normal((5, dim)).astype(np.float32)
        sums = np.empty(len(plane), dtype=np.int32)
        estimates = np.empty(len(tiles) * TILE, dtype=np.float32)
        cosines = np.empty(len(plane), dtype=np.float32)
        products(plane, weights, tiles, parts, unit, rows, sums, estimates, cosines)
        for array in (sums, estimates, cosines):
            seen.update(array.tobytes())
    return seen.hexdigest()


if __name__ == "__main__":
    print(HAS_VNNI, digest())
