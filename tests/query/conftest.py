"""Every search of these tests is checked for the types of its arguments, which the engine itself does not check."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numba
import pytest

from alicorn.query.nn import few
from alicorn.query.nn.loop import kernel


@pytest.fixture(scope="session", autouse=True)
def typed_searches() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (kernel, few):
            patch.setattr(module, "loop_for", _checking(module.loop_for, cache(module.argument_types)))
        yield


def _checking(loop_for: Callable[..., Any], declared: Callable[..., Any]) -> Callable[..., Any]:
    def checked_loop_for(*classes: type) -> Callable[..., Any]:
        def checked(*arguments: Any) -> Any:
            assert tuple(map(numba.typeof, arguments)) == declared(*classes)
            return loop_for(*classes)(*arguments)

        return checked

    return checked_loop_for
