"""Wide arithmetic for the hot loops: inner products in a fixed order, and products of packed levels. Used by query/ too.

Numba compiles loops well but not always to the widest instructions, and freed to reorder a sum (fastmath) it rounds
differently from one loop to the next. Both are said here explicitly, in LLVM's vectors, which any processor runs:

    dot           inner product of float32, fused multiply-adds in a fixed order: the same bits in every loop and on
                  every processor that has them
    dot_levels    inner product of packed 4-bit levels with whole-number weights: exact; one VNNI instruction for 32
                  products where the processor has it
    prefetch      ask for a cache line that is needed soon

A plane of levels: (rows, width) uint8, width a multiple of 32. Of each 32 bytes, the low nibbles are 32 dimensions and
the high nibbles the next 32. `plane_width` and `packed` make planes, `level_weights` the weights that go with them.
"""

from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

CHUNK = 32  # bytes of a plane taken at once, of 64 dimensions
MAX_DIM = 8_192  # above, the sum of 128 x 127 x 15 a dimension might leave int32

_FLOAT, _BYTE, _INT = ir.FloatType(), ir.IntType(8), ir.IntType(32)
_FLOATS, _BYTES, _INTS = ir.VectorType(_FLOAT, 16), ir.VectorType(_BYTE, 32), ir.VectorType(_INT, 8)
_FEATURES = llvm.get_host_cpu_features()
_HAS_VNNI = bool(_FEATURES.get("avx512vnni") and _FEATURES.get("avx512vl"))


class Vector(types.Type):
    """A machine vector, inside compiled code only."""

    def __init__(self, name: str, llvm_type: ir.VectorType) -> None:
        super().__init__(name=f"Vector({name})")
        self.llvm_type = llvm_type


FLOATS = Vector("16 x float32", _FLOATS)
BYTES = Vector("32 x uint8", _BYTES)
INTS = Vector("8 x int32", _INTS)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector) -> None:
        super().__init__(manager, vector, vector.llvm_type)


def _function(builder, result, arguments, name):
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def _address(context, builder, array_type, array, at):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [at])


def _loader(vector: Vector) -> Any:
    """array (contiguous, any shape), at: position of the first element -> vector."""

    @intrinsic
    def load(_typing, array, at):
        def generate(context, builder, signature, arguments):
            address = _address(context, builder, array, *arguments)
            return builder.load(builder.bitcast(address, vector.llvm_type.as_pointer()), align=1)

        return vector(array, types.intp), generate

    return load


load_floats: Any = _loader(FLOATS)
load_bytes: Any = _loader(BYTES)


def _zeros(vector: Vector) -> Any:
    @intrinsic
    def zeros(_typing):
        return vector(), lambda context, builder, signature, arguments: ir.Constant(vector.llvm_type, None)

    return zeros


zero_floats: Any = _zeros(FLOATS)
zero_ints: Any = _zeros(INTS)


@intrinsic
def _multiply_add(_typing, first, second, total):
    """first * second + total, rounded once."""

    def generate(context, builder, signature, arguments):
        return builder.call(_function(builder, _FLOATS, [_FLOATS] * 3, "llvm.fma.v16f32"), arguments)

    return FLOATS(FLOATS, FLOATS, FLOATS), generate


@intrinsic
def _add_floats(_typing, first, second):
    return FLOATS(FLOATS, FLOATS), lambda context, builder, signature, arguments: builder.fadd(*arguments)


def _halves_added(builder, vector, count, add):
    """Lanes i and i + count / 2 added, until one is left: the order is part of the result."""
    while count > 1:
        count //= 2
        undefined = ir.Constant(vector.type, ir.Undefined)
        first, second = (
            builder.shuffle_vector(
                vector, undefined, ir.Constant(ir.VectorType(_INT, count), [*range(low, low + count)])
            )
            for low in (0, count)
        )
        vector = add(first, second)
    return builder.extract_element(vector, ir.Constant(_INT, 0))


@intrinsic
def _sum_floats(_typing, vector):
    def generate(context, builder, signature, arguments):
        return _halves_added(builder, arguments[0], 16, builder.fadd)

    return types.float32(FLOATS), generate


@intrinsic
def _sum_ints(_typing, vector):
    def generate(context, builder, signature, arguments):
        return _halves_added(builder, arguments[0], 8, builder.add)

    return types.int32(INTS), generate


@intrinsic
def _low_nibbles(_typing, levels):
    def generate(context, builder, signature, arguments):
        return builder.and_(arguments[0], ir.Constant(_BYTES, [15] * 32))

    return BYTES(BYTES), generate


@intrinsic
def _high_nibbles(_typing, levels):
    def generate(context, builder, signature, arguments):
        return builder.lshr(arguments[0], ir.Constant(_BYTES, [4] * 32))

    return BYTES(BYTES), generate


@intrinsic
def _add_products(_typing, total, levels, weights):
    """total[i] + the sum over j < 4 of levels[4 i + j] (unsigned) * weights[4 i + j] (signed)."""

    def generate(context, builder, signature, arguments):
        sums, levels, weights = arguments
        if _HAS_VNNI:
            pack = [builder.bitcast(part, _INTS) for part in (levels, weights)]
            return builder.call(_function(builder, _INTS, [_INTS] * 3, "llvm.x86.avx512.vpdpbusd.256"), [sums, *pack])
        wide = ir.VectorType(_INT, 32)
        products = builder.mul(builder.zext(levels, wide), builder.sext(weights, wide))
        for j in range(4):
            mask = ir.Constant(_INTS, [4 * i + j for i in range(8)])
            sums = builder.add(sums, builder.shuffle_vector(products, ir.Constant(wide, ir.Undefined), mask))
        return sums

    return INTS(INTS, BYTES, BYTES), generate


@intrinsic
def _times_128_plus(_typing, high, low):
    def generate(context, builder, signature, arguments):
        return builder.add(builder.shl(arguments[0], ir.Constant(_INTS, [7] * 8)), arguments[1])

    return INTS(INTS, INTS), generate


@intrinsic
def _prefetch(_typing, array, at):
    def generate(context, builder, signature, arguments):
        pointer = _BYTE.as_pointer()
        address = builder.bitcast(_address(context, builder, array, *arguments), pointer)
        prefetch = _function(builder, ir.VoidType(), [pointer, _INT, _INT, _INT], "llvm.prefetch.p0")
        builder.call(prefetch, [address, ir.Constant(_INT, 0), ir.Constant(_INT, 3), ir.Constant(_INT, 1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


prefetch: Any = _prefetch


@numba.njit
def dot(query, vectors, row):
    """<query, vectors[row]>: (dim,) and (rows, dim) float32 -> float32."""
    dim = len(query)
    start = row * dim
    a, b, c, d = zero_floats(), zero_floats(), zero_floats(), zero_floats()
    at = 0
    while at + 64 <= dim:
        a = _multiply_add(load_floats(query, at), load_floats(vectors, start + at), a)
        b = _multiply_add(load_floats(query, at + 16), load_floats(vectors, start + at + 16), b)
        c = _multiply_add(load_floats(query, at + 32), load_floats(vectors, start + at + 32), c)
        d = _multiply_add(load_floats(query, at + 48), load_floats(vectors, start + at + 48), d)
        at += 64
    while at + 16 <= dim:
        a = _multiply_add(load_floats(query, at), load_floats(vectors, start + at), a)
        at += 16
    total = _sum_floats(_add_floats(_add_floats(a, b), _add_floats(c, d)))
    while at < dim:
        total += query[at] * vectors[row, at]
        at += 1
    return total


@numba.njit
def dot_levels(plane, row, weights):
    """The sum over dimensions of level * weight of one row of a plane. weights: from level_weights. -> int32."""
    width = plane.shape[1]
    start = row * width
    high, low = zero_ints(), zero_ints()
    at = 0
    while at < width:
        levels = load_bytes(plane, start + at)
        even, odd = _low_nibbles(levels), _high_nibbles(levels)
        high = _add_products(
            _add_products(high, even, load_bytes(weights, 4 * at)), odd, load_bytes(weights, 4 * at + 32)
        )
        low = _add_products(
            _add_products(low, even, load_bytes(weights, 4 * at + 64)), odd, load_bytes(weights, 4 * at + 96)
        )
        at += CHUNK
    return _sum_ints(_times_128_plus(high, low))


def plane_width(dim: int) -> int:
    """Bytes of a row of a plane: two dimensions a byte, up to a multiple of 32."""
    return -(-dim // 64) * CHUNK


def packed(levels: np.ndarray) -> np.ndarray:
    """Levels of 0 to 15, (rows, dim) uint8 -> a plane (rows, plane_width(dim)) uint8; missing dimensions have level 0."""
    rows, dim = levels.shape
    padded = np.zeros((rows, plane_width(dim) * 2), dtype=np.uint8)
    padded[:, :dim] = levels
    halves = padded.reshape(rows, plane_width(dim) // CHUNK, 2, CHUNK)
    return (halves[:, :, 0] | halves[:, :, 1] << 4).reshape(rows, plane_width(dim))


def unpacked(plane: np.ndarray, dim: int) -> np.ndarray:
    """The inverse of packed -> (rows, dim) uint8."""
    rows, width = plane.shape
    chunks = plane.reshape(rows, width // CHUNK, 1, CHUNK)
    return np.concatenate([chunks & 15, chunks >> 4], axis=2).reshape(rows, 2 * width)[:, :dim]


@numba.njit("float32(float32[::1], int8[::1])", cache=True, nogil=True)
def level_weights(weights, out):
    """Whole numbers w with weights[j] = unit * w[j] nearly: |w| <= 128 * 127, so the error is at most unit / 2 each.

    weights: (dim,) float32. out: (4 * plane_width(dim),) int8, overwritten: of each 64 dimensions, the high parts of
    128 * high + low, then the low parts. Returns unit, > 0.
    """
    largest = np.float32(0.0)
    for weight in weights:
        largest = max(largest, abs(weight))
    unit = max(largest, np.float32(1e-30)) / np.float32(128 * 127)
    out[:] = 0
    for j in range(len(weights)):
        whole = np.int32(np.rint(weights[j] / unit))
        high = (whole + np.int32(64)) >> np.int32(7)
        at = (j // 64) * 128 + j % 64
        out[at] = np.int8(high)
        out[at + 64] = np.int8(whole - (high << np.int32(7)))
    return unit
