"""Every search of these tests is checked for the types of its arguments, which the engine itself does not check."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numba
import pytest

from alicorn.query.nn import few
from alicorn.query.nn.loop import kernel


@pytest.fixture(scope="session", autouse=True)
def typed_searches() -> Iterator[None]:
    declared, search_block = cache(kernel.argument_types), kernel.search_block

    def checked(block: Any, query: Any, limits: Any, counters: Any) -> Any:
        found = tuple(map(numba.typeof, (block, query, limits, counters)))
        assert found == declared(type(block.stored), type(query.code))
        return search_block(block, query, limits, counters)

    declared_few, look = cache(few.argument_types), few.look

    def checked_few(arrays: Any, *others: Any) -> None:
        assert tuple(map(numba.typeof, (arrays, *others))) == declared_few(type(arrays.stored))
        look(arrays, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "search_block", checked)
        patch.setattr(few, "look", checked_few)
        yield
