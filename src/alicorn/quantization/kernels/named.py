"""NamedTuples in compiled code: their types by their annotations, their arrays as addresses, their methods.

A loop that takes a NamedTuple is compiled for its class. So one loop serves every codec: `query.estimate(...)` is the
method of the class of the query, found when the loop is compiled, and costs no call.
"""

from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.sigutils import normalize_signature
from numba.extending import overload_method

from alicorn.quantization.kernels.intrinsics import intrinsic

Bytes = Annotated[np.ndarray, "uint8[:, ::1]"]
Floats = Annotated[np.ndarray, "float32[::1]"]
FloatRows = Annotated[np.ndarray, "float32[:, ::1]"]
Integers = Annotated[np.ndarray, "int8[::1]"]
Longs = Annotated[np.ndarray, "int64[::1]"]
Numbers = Annotated[np.ndarray, "uint32[::1]"]
BitWords = Annotated[np.ndarray, "uint64[::1]"]
Flags = Annotated[np.ndarray, "boolean[::1]"]
"""Contiguous arrays, by the names that compiled code has for their types."""

_SCALARS: dict[type, types.Type] = {int: types.int64, float: types.float64, np.float32: types.float32}
_NAMED = (types.NamedTuple, types.NamedUniTuple)


def type_of(named: Any, **fields: types.Type) -> Any:
    """The type of a NamedTuple class in compiled code. fields: the types of those whose annotation does not say it."""
    hints = get_type_hints(named, include_extras=True)
    parts = [fields[name] if name in fields else _type_of(hints[name]) for name in named._fields]
    return types.BaseTuple.from_types(parts, named)


def located_type(kind: Any) -> Any:
    """The type of what `located` and `addresses` give. kind: of a NamedTuple, or of a part of one."""
    if isinstance(kind, types.Array):
        return types.intp
    if isinstance(kind, _NAMED):
        return types.BaseTuple.from_types([located_type(part) for part in kind.types], kind.instance_class)
    return kind


def located(named: Any) -> Any:
    """The same NamedTuple with the address of each array in place of the array; NamedTuples inside it likewise.

    A loop that is called with numbers instead of arrays begins sooner: an array costs it 45 ns, a number 10. The
    caller keeps the arrays.
    """
    if isinstance(named, np.ndarray):
        return named.ctypes.data
    return type(named)(*map(located, named)) if isinstance(named, tuple) else named


def _type_of(annotation: Any) -> types.Type:
    if get_origin(annotation) is Annotated:
        (array,), _ = normalize_signature(f"({get_args(annotation)[1]},)")
        return array
    return _SCALARS[annotation] if annotation in _SCALARS else type_of(annotation)


@intrinsic
def _addresses(_typing, named):
    """What `located` gives, in compiled code."""

    def values(context, builder, kind: Any, value):
        if isinstance(kind, types.Array):
            data = context.make_array(kind)(context, builder, value).data
            return builder.ptrtoint(data, context.get_value_type(types.intp))
        if isinstance(kind, _NAMED):
            parts = cgutils.unpack_tuple(builder, value, len(kind.types))
            inner = [values(context, builder, *part) for part in zip(kind.types, parts, strict=True)]
            return context.make_tuple(builder, located_type(kind), inner)
        return value

    def generate(context, builder, signature, arguments):
        return values(context, builder, named, arguments[0])

    return located_type(named)(named), generate


addresses: Any = _addresses
"""The type of a NamedTuple of arrays and numbers: passed on without counting references. The caller keeps it alive."""


def has_method(named: Any, name: str) -> bool:
    """Whether the class of a NamedTuple, by its type in compiled code, has a method."""
    return hasattr(named.instance_class, name)


@overload_method(types.BaseNamedTuple, "estimate")
def _estimate(self, base, code, size):
    return self.instance_class.estimate if has_method(self, "estimate") else None


@overload_method(types.BaseNamedTuple, "rest")
def _rest(self, code, fine, size):
    return self.instance_class.rest if has_method(self, "rest") else None


@overload_method(types.BaseNamedTuple, "cosine")
def _cosine(self, query, row):
    return self.instance_class.cosine if has_method(self, "cosine") else None


@overload_method(types.BaseNamedTuple, "prefetch")
def _prefetch(self, row):
    return self.instance_class.prefetch if has_method(self, "prefetch") else None
