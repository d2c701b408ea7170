"""Inner products of stored vectors, summed in a fixed order: the same bits in every loop, on every processor with FMA.

A compiler that may reorder a sum (fastmath) rounds differently from one loop to the next: here the order is explicit.

    dot           float32 with float32
    dot_halves    float32 with float16
    dot_planes    float32 with whole numbers of 8 bits in two planes (levels.py)
"""

from alicorn.compiled import subroutine
from alicorn.quantization.kernels.intrinsics import (
    add_floats,
    high_nibbles,
    load_few,
    load_float,
    load_floats,
    load_halves,
    load_one_half,
    low_nibbles,
    multiply_add,
    sum_floats,
    whole_numbers,
    zero_floats,
)
from alicorn.quantization.kernels.levels import CHUNK


@subroutine
def dot(first, second, dim):
    """The inner product of two rows of float32, by their addresses -> float32."""
    a, b, c, d = zero_floats(), zero_floats(), zero_floats(), zero_floats()
    stop = first + 4 * dim
    while first + 256 <= stop:
        a = multiply_add(load_floats(first), load_floats(second), a)
        b = multiply_add(load_floats(first + 64), load_floats(second + 64), b)
        c = multiply_add(load_floats(first + 128), load_floats(second + 128), c)
        d = multiply_add(load_floats(first + 192), load_floats(second + 192), d)
        first += 256
        second += 256
    while first + 64 <= stop:
        a = multiply_add(load_floats(first), load_floats(second), a)
        first += 64
        second += 64
    total = sum_floats(add_floats(add_floats(a, b), add_floats(c, d)))
    while first < stop:
        total += load_float(first) * load_float(second)
        first += 4
        second += 4
    return total


@subroutine
def dot_halves(first, second, dim):
    """The inner product of a row of float32 and one of float16, by their addresses -> float32."""
    a, b = zero_floats(), zero_floats()
    stop = first + 4 * dim
    while first + 128 <= stop:
        a = multiply_add(load_floats(first), load_halves(second), a)
        b = multiply_add(load_floats(first + 64), load_halves(second + 32), b)
        first += 128
        second += 64
    total = sum_floats(add_floats(a, b))
    while first < stop:
        total += load_float(first) * load_one_half(second)
        first += 4
        second += 2
    return total


@subroutine
def dot_planes(query, high, low, width):
    """The sum over dimensions of q * (16 high + low - 128), of a row in two planes, by their addresses -> float32.

    query: 2 * width float32, 0 beyond the dimensions; width: bytes of the row of each plane.
    """
    a, b = zero_floats(), zero_floats()
    start = 0
    while start < width:
        size = min(CHUNK, width - start)
        for i in range(0, size, 16):
            above, below = load_few(high + start + i), load_few(low + start + i)
            at = query + 8 * start + 4 * i
            even = whole_numbers(low_nibbles(above), low_nibbles(below))
            odd = whole_numbers(high_nibbles(above), high_nibbles(below))
            a = multiply_add(load_floats(at), even, a)
            b = multiply_add(load_floats(at + 4 * size), odd, b)
        start += size
    return sum_floats(add_floats(a, b))
