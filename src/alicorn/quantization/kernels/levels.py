"""Levels of a few bits, packed, and their products with whole-number weights: exact, whatever the order.

    dot_levels    of 4-bit levels of one row: a code is scored alone, wherever it is
    dot_tile      of 8-bit levels of 16 rows at once, which are always read together

A plane of levels: (rows, width) uint8, width a multiple of 32. Of each 64 bytes, the low nibbles are 64 dimensions and
the high nibbles the next 64; 32 bytes that are left at the end hold up to 64 dimensions in the same way. `packed` makes
planes, `level_weights` the weights that go with them. A tile: (dim / 4, 64) uint8, of 16 rows the levels of dimensions
0 to 3, then of 4 to 7, and so on; `tiled` makes tiles, `split_weights` their weights.
"""

import numpy as np

from alicorn.compiled import kernel, subroutine
from alicorn.quantization.kernels.intrinsics import (
    add_ints,
    add_products,
    as_floats,
    high_nibbles,
    load_bytes,
    load_half,
    load_word,
    low_nibbles,
    multiply_add,
    prefetch,
    repeat,
    store_floats,
    sum_ints,
    times_128_plus,
    zero_half,
    zero_ints,
)

CHUNK = 64  # bytes of a plane taken at once
TILE = 16  # rows of a tile
MAX_DIM = 8_192  # above, the sum of 128 x 127 x 15 a dimension might leave int32
_AHEAD = 2_048  # bytes of tiles: they come from the second level of cache


@subroutine
def dot_levels(row, width, weights):
    """The sum over dimensions of level * weight, of a row of a plane, by their addresses -> int32.

    width: bytes of the row; weights: from level_weights.
    """
    high, low = zero_ints(), zero_ints()
    stop = row + width
    while row + 64 <= stop:
        levels = load_bytes(row)
        even, odd = low_nibbles(levels), high_nibbles(levels)
        high = add_products(add_products(high, even, load_bytes(weights)), odd, load_bytes(weights + 64))
        low = add_products(add_products(low, even, load_bytes(weights + 128)), odd, load_bytes(weights + 192))
        row += 64
        weights += 256
    total = sum_ints(times_128_plus(high, low))
    if row < stop:
        half = load_half(row)
        even_half, odd_half = low_nibbles(half), high_nibbles(half)
        high_half = add_products(zero_half(), even_half, load_half(weights))
        high_half = add_products(high_half, odd_half, load_half(weights + 32))
        low_half = add_products(zero_half(), even_half, load_half(weights + 64))
        low_half = add_products(low_half, odd_half, load_half(weights + 96))
        total += sum_ints(times_128_plus(high_half, low_half))
    return total


@subroutine
def dot_tile(tile, groups, weights, unit, constant, out):
    """Write unit * (sum over dimensions of level * weight) + constant of 16 rows. By addresses; groups: dimensions / 4.

    weights: from split_weights. out: 16 float32.
    """
    a, b, c, d = zero_ints(), zero_ints(), zero_ints(), zero_ints()
    low = weights + 4 * groups
    stop = tile + 64 * groups
    while tile + 128 <= stop:
        levels, next_levels = load_bytes(tile), load_bytes(tile + 64)
        prefetch(tile + _AHEAD)
        prefetch(tile + _AHEAD + 64)
        a = add_products(a, levels, load_word(weights))
        b = add_products(b, levels, load_word(low))
        c = add_products(c, next_levels, load_word(weights + 4))
        d = add_products(d, next_levels, load_word(low + 4))
        tile += 128
        weights += 8
        low += 8
    if tile < stop:
        levels = load_bytes(tile)
        a = add_products(a, levels, load_word(weights))
        b = add_products(b, levels, load_word(low))
    high_sums, low_sums = as_floats(add_ints(a, c)), as_floats(add_ints(b, d))
    scaled = multiply_add(low_sums, repeat(unit), repeat(constant))
    store_floats(out, multiply_add(high_sums, repeat(np.float32(128.0) * unit), scaled))


def tiled(levels: np.ndarray) -> np.ndarray:
    """Levels of 0 to 255, (rows, dim) uint8 -> tiles (ceil(rows / 16), ceil(dim / 4), 64) uint8, padded with 0."""
    rows, dim = levels.shape
    padded = np.zeros((-(-rows // TILE) * TILE, -(-dim // 4) * 4), dtype=np.uint8)
    padded[:rows, :dim] = levels
    parts = padded.reshape(-1, TILE, padded.shape[1] // 4, 4)
    return np.ascontiguousarray(parts.transpose(0, 2, 1, 3)).reshape(len(parts), -1, 64)


def plane_width(dim: int) -> int:
    """Bytes of a row of a plane: two dimensions a byte, up to a multiple of 32."""
    return -(-dim // 64) * CHUNK // 2


def packed(levels: np.ndarray) -> np.ndarray:
    """Levels of 0 to 15, (rows, dim) uint8 -> a plane (rows, plane_width(dim)) uint8, padded with level 0."""
    rows, dim = levels.shape
    width = plane_width(dim)
    padded = np.zeros((rows, 2 * width), dtype=np.uint8)
    padded[:, :dim] = levels
    plane = np.empty((rows, width), dtype=np.uint8)
    for start in range(0, width, CHUNK):
        size = min(CHUNK, width - start)
        plane[:, start : start + size] = padded[:, 2 * start : 2 * start + size]
        plane[:, start : start + size] |= padded[:, 2 * start + size : 2 * (start + size)] << 4
    return plane


def unpacked(plane: np.ndarray, dim: int) -> np.ndarray:
    """The inverse of packed -> (rows, dim) uint8."""
    chunks = [plane[:, start : start + CHUNK] for start in range(0, plane.shape[1], CHUNK)]
    return np.hstack([nibbles for chunk in chunks for nibbles in (chunk & 15, chunk >> 4)])[:, :dim]


@subroutine
def place_of(j, width):
    """Index in level_weights of dimension j's high part, for planes of `width` bytes, and the offset to the low one."""
    start = j // (2 * CHUNK) * CHUNK
    size = min(CHUNK, width - start)
    return 4 * start + j - 2 * start, 2 * size


@subroutine
def _unit_of(weights):
    """The unit in which no weight is above 128 * 127."""
    largest = np.float32(0.0)
    for weight in weights:
        largest = max(largest, abs(weight))
    return max(largest, np.float32(1e-30)) / np.float32(128 * 127)


@subroutine
def _parts(weight, unit):
    """high and low, both int8, such that 128 * high + low is weight / unit, rounded."""
    whole = np.int32(np.rint(weight / unit))
    high = (whole + np.int32(64)) >> np.int32(7)
    return np.int8(high), np.int8(whole - (high << np.int32(7)))


@kernel("float32(float32[::1], int8[::1])")
def level_weights(weights, out):
    """Whole numbers w with weights[j] = unit * w[j] nearly: the error is at most unit / 2 each.

    weights: (dim,) float32. out: (4 * plane_width(dim),) int8, overwritten: of the dimensions of each 64 or 32 bytes
    of a plane, the high parts of w = 128 * high + low, then the low parts. Returns unit, > 0.
    """
    unit = _unit_of(weights)
    out[:] = 0
    for j in range(len(weights)):
        at, on = place_of(j, len(out) // 4)
        out[at], out[at + on] = _parts(weights[j], unit)
    return unit


@kernel("float32(float32[::1], int8[:, ::1])")
def split_weights(weights, out):
    """The same in the order of the dimensions. out: (2, dim rounded up to a multiple of 4) int8, high and low parts."""
    unit = _unit_of(weights)
    out[:] = 0
    for j in range(len(weights)):
        out[0, j], out[1, j] = _parts(weights[j], unit)
    return unit
