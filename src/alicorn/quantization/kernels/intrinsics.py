"""Machine vectors and raw memory for compiled loops: what Numba does not offer, said in LLVM's terms.

Numba compiles loops well but not always to the widest instructions. Here vectors of 16 float32, 64 bytes or 16 int32
are types of compiled code, which any processor runs, and their operations are explicit. One VNNI instruction multiplies
64 levels where the processor has it (`add_products`).

Compiled loops take arrays by their addresses (`address`, or `addresses` of named.py): an array that is handed from
function to function inside a loop has its references counted there, which costs more than the arithmetic. The caller
keeps the arrays: an array that was made in compiled code is freed after its last use there, whoever has its address.
"""

from functools import partial
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.core.datamodel import models
from numba.core.imputils import impl_ret_new_ref
from numba.extending import intrinsic as _intrinsic
from numba.extending import register_model
from numba.np.arrayobj import _empty_nd_impl

from alicorn.compiled import subroutine

intrinsic: Any = _intrinsic

_FLOAT, _BYTE, _INT = ir.FloatType(), ir.IntType(8), ir.IntType(32)
_HALF = ir.HalfType()
_FLOATS = ir.VectorType(_FLOAT, 16)
# What Numba compiles for: NUMBA_CPU_NAME and NUMBA_CPU_FEATURES where they are set, else this processor.
_FEATURES: str | None = vars(config)["CPU_FEATURES"]
if _FEATURES is None:
    _FEATURES = llvm.get_host_cpu_features().flatten()
HAS_VNNI = {"+avx512vnni", "+avx512vl"} <= set(_FEATURES.split(","))


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


def _new(element: types.Type) -> Any:
    array = types.Array(element, 1, "C")

    @intrinsic
    def new(_typing, size):
        def generate(context, builder, signature, arguments):
            made = _empty_nd_impl(context, builder, array, arguments)
            return impl_ret_new_ref(context, builder, array, made._getvalue())

        return array(types.intp), generate

    return new


new_floats: Any = _new(types.float32)
new_numbers: Any = _new(types.uint32)
new_words: Any = _new(types.uint64)
"""An array of so many elements that are not set: np.empty, which takes five times as long to compile."""


@intrinsic
def _keep(_typing, array):
    return types.void(array), lambda context, _builder, _signature, _of: context.get_dummy_value()


keep: Any = _keep
"""Does nothing, but an array that was made in compiled code is not freed before it."""


def stack_space(size: int) -> Any:
    """A function whose result is the address of `size` bytes, free until the function that called it returns."""

    @intrinsic
    def space(_typing):
        def generate(context, builder, signature, arguments):
            start = cgutils.alloca_once(builder, ir.ArrayType(ir.IntType(64), (size + 7) // 8))
            return builder.ptrtoint(start, context.get_value_type(types.intp))

        return types.intp(), generate

    return space


@intrinsic
def _address(_typing, array):
    def generate(context, builder, signature, arguments):
        data = context.make_array(array)(context, builder, arguments[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.intp))

    return types.intp(array), generate


address: Any = _address
"""Of the first element of a contiguous array, as a whole number: bytes are added to it, not elements."""


def _loader(vector: Vector) -> Any:
    """address in bytes -> vector."""

    @intrinsic
    def load(_typing, address):
        def generate(context, builder, signature, arguments):
            return builder.load(builder.inttoptr(arguments[0], vector.llvm_type.as_pointer()), align=1)

        return vector(types.intp), generate

    return load


load_floats: Any = _loader(FLOATS)
load_bytes: Any = _loader(BYTES)
load_half: Any = _loader(HALF_BYTES)
load_few: Any = _loader(FEW_BYTES)


@intrinsic
def load_halves(_typing, address):
    """16 x float16 -> 16 x float32."""

    def generate(context, builder, signature, arguments):
        halves = ir.VectorType(_HALF, 16)
        return builder.fpext(builder.load(builder.inttoptr(arguments[0], halves.as_pointer()), align=1), _FLOATS)

    return FLOATS(types.intp), generate


@intrinsic
def load_word(_typing, address):
    """Four bytes, repeated."""

    def generate(context, builder, signature, arguments):
        word = builder.load(builder.inttoptr(arguments[0], _INT.as_pointer()), align=1)
        one = builder.insert_element(ir.Constant(INTS.llvm_type, ir.Undefined), word, ir.Constant(_INT, 0))
        everywhere = ir.Constant(ir.VectorType(_INT, 16), None)
        words = builder.shuffle_vector(one, ir.Constant(INTS.llvm_type, ir.Undefined), everywhere)
        return builder.bitcast(words, BYTES.llvm_type)

    return BYTES(types.intp), generate


@intrinsic
def store_floats(_typing, address, vector):
    def generate(context, builder, signature, arguments):
        builder.store(arguments[1], builder.inttoptr(arguments[0], _FLOATS.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.intp, FLOATS), generate


@intrinsic
def as_floats(_typing, vector):
    return FLOATS(INTS), lambda _context, builder, _signature, of: builder.sitofp(of[0], _FLOATS)


@intrinsic
def repeat(_typing, number):
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
def load_one_half(_typing, address):
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
def multiply_add(_typing, first, second, total):
    """first * second + total, rounded once."""

    def generate(context, builder, signature, arguments):
        return builder.call(_function(builder, _FLOATS, [_FLOATS] * 3, "llvm.fma.v16f32"), arguments)

    return FLOATS(FLOATS, FLOATS, FLOATS), generate


@intrinsic
def add_floats(_typing, first, second):
    return FLOATS(FLOATS, FLOATS), lambda context, builder, signature, arguments: builder.fadd(*arguments)


def _select_larger(builder, first, second):
    """The larger of each two lanes; of the second where one is NaN."""
    return builder.select(builder.fcmp_ordered(">", first, second), first, second)


@intrinsic
def larger(_typing, first, second):
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
def sum_floats(_typing, vector):
    def generate(context, builder, signature, arguments):
        return _folded(builder, arguments[0], 16, builder.fadd)

    return types.float32(FLOATS), generate


@intrinsic
def largest_float(_typing, vector):
    def generate(context, builder, signature, arguments):
        return _folded(builder, arguments[0], 16, partial(_select_larger, builder))

    return types.float32(FLOATS), generate


@intrinsic
def sum_ints(_typing, vector):
    def generate(context, builder, signature, arguments):
        return _folded(builder, arguments[0], vector.llvm_type.count, builder.add)

    return types.int32(vector), generate


def _repeated(vector: Vector, number: int) -> ir.Constant:
    return ir.Constant(vector.llvm_type, [number] * vector.llvm_type.count)


@intrinsic
def low_nibbles(_typing, levels):
    return levels(levels), lambda _context, builder, _signature, of: builder.and_(of[0], _repeated(levels, 15))


@intrinsic
def high_nibbles(_typing, levels):
    return levels(levels), lambda _context, builder, _signature, of: builder.lshr(of[0], _repeated(levels, 4))


@intrinsic
def add_products(_typing, total, levels, weights):
    """total[i] + the sum over j < 4 of levels[4 i + j] (unsigned) * weights[4 i + j] (signed)."""
    sums_type = _SUMS[levels].llvm_type
    lanes = sums_type.count

    def generate(context, builder, signature, arguments):
        sums, levels, weights = arguments
        if HAS_VNNI:
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
def add_ints(_typing, first, second):
    return first(first, second), lambda _context, builder, _signature, of: builder.add(*of)


@intrinsic
def times_128_plus(_typing, high, low):
    def generate(context, builder, signature, arguments):
        return builder.add(builder.shl(arguments[0], _repeated(high, 7)), arguments[1])

    return high(high, low), generate


@intrinsic
def whole_numbers(_typing, high, low):
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


@subroutine
def prefetch_row(start, size):
    """Ask for every cache line of `size` bytes."""
    for line in range(start, start + size, 64):
        prefetch(line)
