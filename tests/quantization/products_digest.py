"""What the instructions of this process make of packed levels, as one number: `python products_digest.py SIMD.PY`.

test_simd.py runs it as another processor would; it loads simd.py alone, so that nothing else is compiled.
"""

import importlib.util
import sys
from types import ModuleType

import numba
import numpy as np
import xxhash


def digest(simd: ModuleType) -> str:
    """Of products of planes, of tiles and of float32 rows, for many dimensions."""
    address, dot, dot_levels, dot_tile, width_of_tile = (
        simd.address,
        simd.dot,
        simd.dot_levels,
        simd.dot_tile,
        simd.TILE,
    )

    @numba.njit
    def products(plane, weights, tiles, parts, unit, rows, sums, estimates, cosines):
        for row in range(len(plane)):
            sums[row] = dot_levels(address(plane) + row * plane.shape[1], plane.shape[1], address(weights))
            cosines[row] = dot(address(rows), address(rows) + 4 * row * rows.shape[1], rows.shape[1])
        groups = tiles.shape[1]
        for tile in range(len(tiles)):
            out = address(estimates) + 4 * width_of_tile * tile
            dot_tile(address(tiles) + 64 * groups * tile, groups, address(parts), unit, np.float32(0.1), out)

    seen = xxhash.xxh3_64()
    for dim in (1, 31, 32, 33, 64, 65, 100, 128, 300):
        rng = np.random.default_rng(dim)
        plane = simd.packed(rng.integers(16, size=(5, dim), dtype=np.uint8))
        weights = np.empty(4 * simd.plane_width(dim), dtype=np.int8)
        simd.level_weights(rng.standard_normal(dim).astype(np.float32), weights)
        tiles = simd.tiled(rng.integers(256, size=(20, dim), dtype=np.uint8))
        parts = np.empty((2, 4 * tiles.shape[1]), dtype=np.int8)
        unit = np.float32(simd.split_weights(rng.standard_normal(dim).astype(np.float32), parts))
        rows = rng.standard_normal((5, dim)).astype(np.float32)
        sums = np.empty(len(plane), dtype=np.int32)
        estimates = np.empty(len(tiles) * simd.TILE, dtype=np.float32)
        cosines = np.empty(len(plane), dtype=np.float32)
        products(plane, weights, tiles, parts, unit, rows, sums, estimates, cosines)
        for array in (sums, estimates, cosines):
            seen.update(array.tobytes())
    return seen.hexdigest()


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("simd", sys.argv[1])
    assert spec is not None
    assert spec.loader is not None
    simd = importlib.util.module_from_spec(spec)
    sys.modules["simd"] = simd
    spec.loader.exec_module(simd)
    print(simd._HAS_VNNI, digest(simd))
