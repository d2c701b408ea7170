"""Wide arithmetic for the hot loops: inner products in a fixed order, products of packed levels.

Numba compiles loops well but not always to the widest instructions, and freed to reorder a sum (fastmath) it rounds
differently from one loop to the next. Both are said here explicitly, in LLVM's vectors, which any processor runs:

    dot           inner product of float32, fused multiply-adds in a fixed order: the same bits in every loop and on
                  every processor that has them
    dot_levels    inner product of packed 4-bit levels with whole-number weights: exact; one VNNI instruction for 64
                  products where the processor has it
    dot_halves    inner product of float32 with float16, in the same order
    dot_planes    inner product of float32 with whole numbers of 8 bits in two planes, in a fixed order
    dot_tile      the same as dot_levels of 8-bit levels of 16 rows at once, which are always read together
    largest       the largest of some float32
    prefetch      ask for a cache line that is needed soon

The loops below take arrays by their addresses (`address`): an array that is handed from function to function inside a
loop has its references counted there, which costs more than the arithmetic. The caller keeps the arrays.

A plane of levels: (rows, width) uint8, width a multiple of 32. Of each 64 bytes, the low nibbles are 64 dimensions and
the high nibbles the next 64; 32 bytes that are left at the end hold up to 64 dimensions in the same way. `packed` makes
planes, `level_weights` the weights that go with them. A tile: (dim / 4, 64) uint8, of 16 rows the levels of dimensions
0 to 3, then of 4 to 7, and so on; `tiled` makes tiles, `split_weights` their weights.
"""

from functools import partial
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.core.datamodel import models
from numba.extending import intrinsic as _intrinsic
from numba.extending import register_model

from alicorn.compiled import kernel

intrinsic: Any = _intrinsic

_CHUNK = 64  # bytes of a plane taken at once
TILE = 16  # rows of a tile
_AHEAD = 2_048  # bytes of tiles: they come from the second level of cache
MAX_DIM = 8_192  # above, the sum of 128 x 127 x 15 a dimension might leave int32

_FLOAT, _BYTE, _INT = ir.FloatType(), ir.IntType(8), ir.IntType(32)
_HALF = ir.HalfType()
_FLOATS = ir.VectorType(_FLOAT, 16)
# What Numba compiles for: NUMBA_CPU_NAME and NUMBA_CPU_FEATURES where they are set, else this processor.
_FEATURES: str | None = vars(config)["CPU_FEATURES"]
if _FEATURES is None:
    _FEATURES = llvm.get_host_cpu_features().flatten()
_HAS_VNNI = {"+avx512vnni", "+avx512vl"} <= set(_FEATURES.split(","))


class Vector(types.Type):
    """A machine vector, inside compiled code only."""

    def __init__(self, name: str, llvm_type: ir.VectorType) -> None:
        super().__init__(name=f"Vector({name})")
        self.llvm_type = llvm_type


FLOATS, FEW_BYTES = Vector("16 x float32", _FLOATS), Vector("16 x uint8", ir.VectorType(_BYTE, 16))
BYTES, INTS = Vector("64 x uint8", ir.VectorType(_BYTE, 64)), Vector("16 x int32", ir.VectorType(_INT, 16))
HALF_BYTES, HALF_INTS = Vector("32 x uint8", ir.VectorType(_BYTE, 32)), Vector("8 x int32", ir.VectorType(_INT, 8))
_SUMS: dict[Vector, Vector] = {BYTES: INTS, HALF_BYTES: HALF_INTS}  # four products each


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector) -> None:
        super().__init__(manager, vector, vector.llvm_type)


def _function(builder, result, arguments, name):
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


@intrinsic
def _address(_typing, array):
    def generate(context, builder, signature, arguments):
        data = context.make_array(array)(context, builder, arguments[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.intp))

    return types.intp(array), generate


address: Any = _address
"""Of the first element of a contiguous array, as a whole number: bytes are added to it, not elements."""


_NAMED = (types.NamedTuple, types.NamedUniTuple)


@intrinsic
def _addresses(_typing, named):
    """The same NamedTuple with the address of each array in place of the array; NamedTuples inside it likewise."""

    def located(kind: Any) -> Any:
        if isinstance(kind, types.Array):
            return types.intp
        if isinstance(kind, _NAMED):
            return types.BaseTuple.from_types([located(part) for part in kind.types], kind.instance_class)
        return kind

    def values(context, builder, kind: Any, value):
        if isinstance(kind, types.Array):
            data = context.make_array(kind)(context, builder, value).data
            return builder.ptrtoint(data, context.get_value_type(types.intp))
        if isinstance(kind, _NAMED):
            parts = cgutils.unpack_tuple(builder, value, len(kind.types))
            inner = [values(context, builder, *part) for part in zip(kind.types, parts, strict=True)]
            return context.make_tuple(builder, located(kind), inner)
        return value

    def generate(context, builder, signature, arguments):
        return values(context, builder, named, arguments[0])

    return located(named)(named), generate


addresses: Any = _addresses
"""Of a NamedTuple of arrays and numbers: read and handed on without a count of references. The caller keeps it."""


def _loader(vector: Vector) -> Any:
    """address in bytes -> vector."""

    @intrinsic
    def load(_typing, address):
        def generate(context, builder, signature, arguments):
            return builder.load(builder.inttoptr(arguments[0], vector.llvm_type.as_pointer()), align=1)

        return vector(types.intp), generate

    return load


_load_floats: Any = _loader(FLOATS)
_load_bytes: Any = _loader(BYTES)
_load_half: Any = _loader(HALF_BYTES)
_load_few: Any = _loader(FEW_BYTES)


@intrinsic
def _load_halves(_typing, address):
    """16 x float16 -> 16 x float32."""

    def generate(context, builder, signature, arguments):
        halves = ir.VectorType(_HALF, 16)
        return builder.fpext(builder.load(builder.inttoptr(arguments[0], halves.as_pointer()), align=1), _FLOATS)

    return FLOATS(types.intp), generate


@intrinsic
def _load_word(_typing, address):
    """Four bytes, repeated."""

    def generate(context, builder, signature, arguments):
        word = builder.load(builder.inttoptr(arguments[0], _INT.as_pointer()), align=1)
        one = builder.insert_element(ir.Constant(INTS.llvm_type, ir.Undefined), word, ir.Constant(_INT, 0))
        everywhere = ir.Constant(ir.VectorType(_INT, 16), None)
        words = builder.shuffle_vector(one, ir.Constant(INTS.llvm_type, ir.Undefined), everywhere)
        return builder.bitcast(words, BYTES.llvm_type)

    return BYTES(types.intp), generate


@intrinsic
def _store_floats(_typing, address, vector):
    def generate(context, builder, signature, arguments):
        builder.store(arguments[1], builder.inttoptr(arguments[0], _FLOATS.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.intp, FLOATS), generate


@intrinsic
def _as_floats(_typing, vector):
    return FLOATS(INTS), lambda _context, builder, _signature, of: builder.sitofp(of[0], _FLOATS)


@intrinsic
def _repeat(_typing, number):
    def generate(context, builder, signature, arguments):
        one = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), arguments[0], ir.Constant(_INT, 0))
        everywhere = ir.Constant(ir.VectorType(_INT, 16), None)
        return builder.shuffle_vector(one, ir.Constant(_FLOATS, ir.Undefined), everywhere)

    return FLOATS(types.float32), generate


@intrinsic
def load_number(_typing, address):
    """uint32 -> int64."""

    def generate(context, builder, signature, arguments):
        number = builder.load(builder.inttoptr(arguments[0], _INT.as_pointer()), align=1)
        return builder.zext(number, context.get_value_type(types.int64))

    return types.int64(types.intp), generate


@intrinsic
def load_float(_typing, address):
    def generate(context, builder, signature, arguments):
        return builder.load(builder.inttoptr(arguments[0], _FLOAT.as_pointer()), align=1)

    return types.float32(types.intp), generate


@intrinsic
def _load_one_half(_typing, address):
    """float16 -> float32."""

    def generate(context, builder, signature, arguments):
        return builder.fpext(builder.load(builder.inttoptr(arguments[0], _HALF.as_pointer()), align=1), _FLOAT)

    return types.float32(types.intp), generate


def _pointer(element: types.Type) -> Any:
    @intrinsic
    def pointer(_typing, address):
        result = types.CPointer(element)

        def generate(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], context.get_value_type(result))

        return result(types.intp), generate

    return pointer


bytes_at: Any = _pointer(types.uint8)
floats_at: Any = _pointer(types.float32)
numbers_at: Any = _pointer(types.uint32)
words_at: Any = _pointer(types.uint64)
doubles_at: Any = _pointer(types.float64)
longs_at: Any = _pointer(types.int64)
"""Elements from an address on, by index: like a slice, but nothing is counted, and loops become SIMD."""


def _zeros(vector: Vector) -> Any:
    @intrinsic
    def zeros(_typing):
        return vector(), lambda context, builder, signature, arguments: ir.Constant(vector.llvm_type, None)

    return zeros


zero_floats: Any = _zeros(FLOATS)
zero_ints: Any = _zeros(INTS)
zero_half: Any = _zeros(HALF_INTS)


@intrinsic
def _multiply_add(_typing, first, second, total):
    """first * second + total, rounded once."""

    def generate(context, builder, signature, arguments):
        return builder.call(_function(builder, _FLOATS, [_FLOATS] * 3, "llvm.fma.v16f32"), arguments)

    return FLOATS(FLOATS, FLOATS, FLOATS), generate


@intrinsic
def _add_floats(_typing, first, second):
    return FLOATS(FLOATS, FLOATS), lambda context, builder, signature, arguments: builder.fadd(*arguments)


def _select_larger(builder, first, second):
    """The larger of each two lanes; of the second where one is NaN."""
    return builder.select(builder.fcmp_ordered(">", first, second), first, second)


@intrinsic
def _larger(_typing, first, second):
    return FLOATS(FLOATS, FLOATS), lambda _context, builder, _signature, of: _select_larger(builder, *of)


def _folded(builder, vector, count, join):
    """Lanes i and i + count / 2 joined, until one is left: the order is part of the result."""
    while count > 1:
        count //= 2
        undefined = ir.Constant(vector.type, ir.Undefined)
        first, second = (
            builder.shuffle_vector(
                vector, undefined, ir.Constant(ir.VectorType(_INT, count), [*range(low, low + count)])
            )
            for low in (0, count)
        )
        vector = join(first, second)
    return builder.extract_element(vector, ir.Constant(_INT, 0))


@intrinsic
def _sum_floats(_typing, vector):
    def generate(context, builder, signature, arguments):
        return _folded(builder, arguments[0], 16, builder.fadd)

    return types.float32(FLOATS), generate


@intrinsic
def _largest_float(_typing, vector):
    def generate(context, builder, signature, arguments):
        return _folded(builder, arguments[0], 16, partial(_select_larger, builder))

    return types.float32(FLOATS), generate


@intrinsic
def _sum_ints(_typing, vector):
    def generate(context, builder, signature, arguments):
        return _folded(builder, arguments[0], vector.llvm_type.count, builder.add)

    return types.int32(vector), generate


def _repeated(vector: Vector, number: int) -> ir.Constant:
    return ir.Constant(vector.llvm_type, [number] * vector.llvm_type.count)


@intrinsic
def _low_nibbles(_typing, levels):
    return levels(levels), lambda _context, builder, _signature, of: builder.and_(of[0], _repeated(levels, 15))


@intrinsic
def _high_nibbles(_typing, levels):
    return levels(levels), lambda _context, builder, _signature, of: builder.lshr(of[0], _repeated(levels, 4))


@intrinsic
def _add_products(_typing, total, levels, weights):
    """total[i] + the sum over j < 4 of levels[4 i + j] (unsigned) * weights[4 i + j] (signed)."""
    sums_type = _SUMS[levels].llvm_type
    lanes = sums_type.count

    def generate(context, builder, signature, arguments):
        sums, levels, weights = arguments
        if _HAS_VNNI:
            pack = [builder.bitcast(part, sums_type) for part in (levels, weights)]
            name = f"llvm.x86.avx512.vpdpbusd.{32 * lanes}"
            return builder.call(_function(builder, sums_type, [sums_type] * 3, name), [sums, *pack])
        wide = ir.VectorType(_INT, 4 * lanes)
        products = builder.mul(builder.zext(levels, wide), builder.sext(weights, wide))
        for j in range(4):
            places = ir.Constant(sums_type, [4 * i + j for i in range(lanes)])
            sums = builder.add(sums, builder.shuffle_vector(products, ir.Constant(wide, ir.Undefined), places))
        return sums

    return total(total, levels, weights), generate


@intrinsic
def _add_ints(_typing, first, second):
    return first(first, second), lambda _context, builder, _signature, of: builder.add(*of)


@intrinsic
def _times_128_plus(_typing, high, low):
    def generate(context, builder, signature, arguments):
        return builder.add(builder.shl(arguments[0], _repeated(high, 7)), arguments[1])

    return high(high, low), generate


@intrinsic
def _whole_numbers(_typing, high, low):
    """16 high + low - 128 of nibbles, as floats."""

    def generate(context, builder, signature, arguments):
        wide, lanes = INTS.llvm_type, [builder.zext(part, INTS.llvm_type) for part in arguments]
        levels = builder.add(builder.shl(lanes[0], ir.Constant(wide, [4] * 16)), lanes[1])
        return builder.sitofp(builder.sub(levels, ir.Constant(wide, [128] * 16)), _FLOATS)

    return FLOATS(FEW_BYTES, FEW_BYTES), generate


@intrinsic
def _prefetch(_typing, address):
    def generate(context, builder, signature, arguments):
        pointer = _BYTE.as_pointer()
        prefetch = _function(builder, ir.VoidType(), [pointer, _INT, _INT, _INT], "llvm.prefetch.p0")
        line = builder.inttoptr(arguments[0], pointer)
        builder.call(prefetch, [line, ir.Constant(_INT, 0), ir.Constant(_INT, 3), ir.Constant(_INT, 1)])
        return context.get_dummy_value()

    return types.void(types.intp), generate


prefetch: Any = _prefetch


@intrinsic
def _popcount(_typing, word):
    return types.uint64(types.uint64), lambda _context, builder, _signature, of: builder.ctpop(of[0])


popcount: Any = _popcount


@numba.njit
def dot(first, second, dim):
    """The inner product of two rows of float32, by their addresses -> float32."""
    a, b, c, d = zero_floats(), zero_floats(), zero_floats(), zero_floats()
    stop = first + 4 * dim
    while first + 256 <= stop:
        a = _multiply_add(_load_floats(first), _load_floats(second), a)
        b = _multiply_add(_load_floats(first + 64), _load_floats(second + 64), b)
        c = _multiply_add(_load_floats(first + 128), _load_floats(second + 128), c)
        d = _multiply_add(_load_floats(first + 192), _load_floats(second + 192), d)
        first += 256
        second += 256
    while first + 64 <= stop:
        a = _multiply_add(_load_floats(first), _load_floats(second), a)
        first += 64
        second += 64
    total = _sum_floats(_add_floats(_add_floats(a, b), _add_floats(c, d)))
    while first < stop:
        total += load_float(first) * load_float(second)
        first += 4
        second += 4
    return total


@numba.njit
def largest(start, count):
    """The largest of `count` float32, one at least, from an address on; none is NaN."""
    stop = start + 4 * count
    found = load_float(start)
    if count >= 32:
        a, b = _load_floats(start), _load_floats(start + 64)
        start += 128
        while start + 128 <= stop:
            a, b = _larger(_load_floats(start), a), _larger(_load_floats(start + 64), b)
            start += 128
        found = _largest_float(_larger(a, b))
    while start < stop:
        found = max(found, load_float(start))
        start += 4
    return found


@numba.njit
def dot_halves(first, second, dim):
    """The inner product of a row of float32 and one of float16, by their addresses -> float32."""
    a, b = zero_floats(), zero_floats()
    stop = first + 4 * dim
    while first + 128 <= stop:
        a = _multiply_add(_load_floats(first), _load_halves(second), a)
        b = _multiply_add(_load_floats(first + 64), _load_halves(second + 32), b)
        first += 128
        second += 64
    total = _sum_floats(_add_floats(a, b))
    while first < stop:
        total += load_float(first) * _load_one_half(second)
        first += 4
        second += 2
    return total


@numba.njit
def dot_planes(query, high, low, width):
    """The sum over dimensions of q * (16 high + low - 128), of a row in two planes, by their addresses -> float32.

    query: 2 * width float32, 0 beyond the dimensions; width: bytes of the row of each plane.
    """
    a, b = zero_floats(), zero_floats()
    start = 0
    while start < width:
        size = min(_CHUNK, width - start)
        for i in range(0, size, 16):
            above, below = _load_few(high + start + i), _load_few(low + start + i)
            at = query + 8 * start + 4 * i
            even = _whole_numbers(_low_nibbles(above), _low_nibbles(below))
            odd = _whole_numbers(_high_nibbles(above), _high_nibbles(below))
            a = _multiply_add(_load_floats(at), even, a)
            b = _multiply_add(_load_floats(at + 4 * size), odd, b)
        start += size
    return _sum_floats(_add_floats(a, b))


@numba.njit
def dot_levels(row, width, weights):
    """The sum over dimensions of level * weight, of a row of a plane, by their addresses -> int32.

    width: bytes of the row; weights: from level_weights.
    """
    high, low = zero_ints(), zero_ints()
    stop = row + width
    while row + 64 <= stop:
        levels = _load_bytes(row)
        even, odd = _low_nibbles(levels), _high_nibbles(levels)
        high = _add_products(_add_products(high, even, _load_bytes(weights)), odd, _load_bytes(weights + 64))
        low = _add_products(_add_products(low, even, _load_bytes(weights + 128)), odd, _load_bytes(weights + 192))
        row += 64
        weights += 256
    total = _sum_ints(_times_128_plus(high, low))
    if row < stop:
        half = _load_half(row)
        even_half, odd_half = _low_nibbles(half), _high_nibbles(half)
        high_half = _add_products(zero_half(), even_half, _load_half(weights))
        high_half = _add_products(high_half, odd_half, _load_half(weights + 32))
        low_half = _add_products(zero_half(), even_half, _load_half(weights + 64))
        low_half = _add_products(low_half, odd_half, _load_half(weights + 96))
        total += _sum_ints(_times_128_plus(high_half, low_half))
    return total


@numba.njit
def dot_tile(tile, groups, weights, unit, constant, out):
    """Write unit * (sum over dimensions of level * weight) + constant of 16 rows. By addresses; groups: dimensions / 4.

    weights: from split_weights. out: 16 float32.
    """
    a, b, c, d = zero_ints(), zero_ints(), zero_ints(), zero_ints()
    low = weights + 4 * groups
    stop = tile + 64 * groups
    while tile + 128 <= stop:
        levels, next_levels = _load_bytes(tile), _load_bytes(tile + 64)
        prefetch(tile + _AHEAD)
        prefetch(tile + _AHEAD + 64)
        a = _add_products(a, levels, _load_word(weights))
        b = _add_products(b, levels, _load_word(low))
        c = _add_products(c, next_levels, _load_word(weights + 4))
        d = _add_products(d, next_levels, _load_word(low + 4))
        tile += 128
        weights += 8
        low += 8
    if tile < stop:
        levels = _load_bytes(tile)
        a = _add_products(a, levels, _load_word(weights))
        b = _add_products(b, levels, _load_word(low))
    high_sums, low_sums = _as_floats(_add_ints(a, c)), _as_floats(_add_ints(b, d))
    scaled = _multiply_add(low_sums, _repeat(unit), _repeat(constant))
    _store_floats(out, _multiply_add(high_sums, _repeat(np.float32(128.0) * unit), scaled))


def tiled(levels: np.ndarray) -> np.ndarray:
    """Levels of 0 to 255, (rows, dim) uint8 -> tiles (ceil(rows / 16), ceil(dim / 4), 64) uint8, padded with 0."""
    rows, dim = levels.shape
    padded = np.zeros((-(-rows // TILE) * TILE, -(-dim // 4) * 4), dtype=np.uint8)
    padded[:rows, :dim] = levels
    parts = padded.reshape(-1, TILE, padded.shape[1] // 4, 4)
    return np.ascontiguousarray(parts.transpose(0, 2, 1, 3)).reshape(len(parts), -1, 64)


def plane_width(dim: int) -> int:
    """Bytes of a row of a plane: two dimensions a byte, up to a multiple of 32."""
    return -(-dim // 64) * _CHUNK // 2


def packed(levels: np.ndarray) -> np.ndarray:
    """Levels of 0 to 15, (rows, dim) uint8 -> a plane (rows, plane_width(dim)) uint8, padded with level 0."""
    rows, dim = levels.shape
    width = plane_width(dim)
    padded = np.zeros((rows, 2 * width), dtype=np.uint8)
    padded[:, :dim] = levels
    plane = np.empty((rows, width), dtype=np.uint8)
    for start in range(0, width, _CHUNK):
        size = min(_CHUNK, width - start)
        plane[:, start : start + size] = padded[:, 2 * start : 2 * start + size]
        plane[:, start : start + size] |= padded[:, 2 * start + size : 2 * (start + size)] << 4
    return plane


def unpacked(plane: np.ndarray, dim: int) -> np.ndarray:
    """The inverse of packed -> (rows, dim) uint8."""
    chunks = [plane[:, start : start + _CHUNK] for start in range(0, plane.shape[1], _CHUNK)]
    return np.hstack([nibbles for chunk in chunks for nibbles in (chunk & 15, chunk >> 4)])[:, :dim]


@numba.njit
def place_of(j, width):
    """Index in level_weights of dimension j's high part, for planes of `width` bytes, and the offset to the low one."""
    start = j // (2 * _CHUNK) * _CHUNK
    size = min(_CHUNK, width - start)
    return 4 * start + j - 2 * start, 2 * size


@numba.njit
def _unit_of(weights):
    """The unit in which no weight is above 128 * 127."""
    largest = np.float32(0.0)
    for weight in weights:
        largest = max(largest, abs(weight))
    return max(largest, np.float32(1e-30)) / np.float32(128 * 127)


@numba.njit
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
