"""kernel: a function that is compiled for its declared types, each when it is first called with them.

subroutine: a function that only kernels call, compiled with them.
"""

import os
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any

from numba.core import config, sigutils
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher
from numba.core.typing import Signature, make_concrete_template
from numba.types import unliteral

from alicorn.compiled.kept import KeptCode
from alicorn.compiled.waiting import TellingCompiler

_OPTIONS = {"nopython": True, "nogil": True, "no_cfunc_wrapper": True}  # nobody takes their address

KERNELS: list["Kernel"] = []  # of the modules that are imported


def kernel(*signatures: str | Signature, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function for these signatures, with the GIL released; without any, for the types it is called with.

    A signature is compiled, or read from disk, when a call needs it. A call that no signature fits is a TypeError.
    options: of numba.njit.
    """

    def declare(function: Callable[..., Any]) -> Any:
        if config.DISABLE_JIT:
            return function
        made = Kernel(function, targetoptions={**_OPTIONS, **options}, signatures=signatures)
        KERNELS.append(made)
        return made

    return declare


def subroutine(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """A function that kernels call, and that becomes part of them. Python cannot call it, so it needs no wrapper.

    Half the seconds of a kernel were compiling such wrappers, and its subroutines once more for numbers as constants.
    options: of numba.njit.
    """
    if function is None:
        return partial(subroutine, **options)
    if config.DISABLE_JIT:
        return function
    return Subroutine(function, targetoptions={**_OPTIONS, "no_cpython_wrapper": True, **options})


class Subroutine(CPUDispatcher):  # type: ignore[misc]  # numba has no types
    def get_call_template(self, args: Any, kws: Any) -> Any:
        """How a call with these types is typed: 0 is an integer like any other."""
        plain = {name: unliteral(kind) for name, kind in kws.items()}
        return super().get_call_template(tuple(map(unliteral, args)), plain)

    def __call__(self, *args: Any, **kws: Any) -> Any:
        raise TypeError(f"{self.__qualname__} is a part of kernels: call one of those, or its py_func")


class Kernel(CPUDispatcher):  # type: ignore[misc]  # numba has no types
    """A dispatcher of Numba that compiles nothing but what is declared.

    It stays open for compiling, so its C part takes only exactly known types itself and asks `_compile_for_args` about
    all others. What fits by a conversion is entered there with its own types, and found at once from then on.
    """

    def __init__(
        self,
        py_func: Callable[..., Any],
        locals: dict[str, Any] | None = None,
        targetoptions: dict[str, Any] | None = None,
        signatures: Iterable[str | Signature] = (),
    ) -> None:
        super().__init__(py_func, locals, targetoptions, TellingCompiler)
        self._signatures = list(signatures)
        self._known: dict[tuple[Any, ...], Any] = {}  # types of arguments -> entry point
        self._cache = KeptCode(py_func)

    @cached_property
    def declared(self) -> list[Signature]:
        return [Signature(result, args, None) for args, result in map(sigutils.normalize_signature, self._signatures)]

    @cached_property
    def entry(self) -> Any:
        """The compiled code for the only types that are declared. A call of it takes 1 us less, 10 us in cold caches,
        and nothing checks its arguments: those of other types end the process."""
        (signature,) = self.declared
        return self.compile(signature)

    def _compile_for_args(self, *args: Any, **kws: Any) -> Any:
        """The entry point for these arguments; called by Numba when their types are new."""
        if not self._signatures:
            return super()._compile_for_args(*args, **kws)
        try:
            types = tuple(map(self.typeof_pyval, args))
            with global_compiler_lock:  # one thread enters new types
                if types not in self._known:
                    signature = self._fitting(types)
                    if signature is None:
                        raise TypeError(f"{self.__qualname__}: no signature fits ({', '.join(map(str, types))})")
                    entry = self.compile(signature)
                    if types != signature.args:
                        self._insert([one._code for one in types], entry, False)
                    self._known[types] = entry
                return self._known[types]
        finally:
            self._types_active_call.clear()

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """How a call with these types, in another kernel, is typed; compiles what it needs."""
        if not self._signatures:
            return super().get_call_template(args, kws)
        pysig, types = self.fold_argument_types(args, kws)
        signature = self._fitting(types)
        if signature is not None:
            self.compile(signature)
        name = self.py_func.__name__
        signatures = [] if signature is None else [self.overloads[signature.args].signature]
        return make_concrete_template(f"CallTemplate({name})", key=name, signatures=signatures), pysig, types, {}

    def _fitting(self, types: tuple[Any, ...]) -> Signature | None:
        return self.typingctx.resolve_overload(self.py_func, self.declared, types, {})

    def _reduce_states(self) -> dict[str, Any]:
        return {**super()._reduce_states(), "signatures": self._signatures}

    @classmethod
    def _rebuild(cls, signatures: list[str | Signature], **states: Any) -> "Kernel":
        made: Kernel = super()._rebuild(**states)
        made._signatures = signatures
        return made


# A child of fork would wait for ever for a lock that another thread of its parent held.
os.register_at_fork(
    before=global_compiler_lock.acquire,
    after_in_parent=global_compiler_lock.release,
    after_in_child=global_compiler_lock.release,
)
