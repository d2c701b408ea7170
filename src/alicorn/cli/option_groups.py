"""Options of a verb in groups: each is a dataclass, whose fields declare options with their help."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, cast


def grouped(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb as the command line sees it: each argument that is a dataclass is replaced by one option a field.

    Options have the names, defaults and order of the fields; the verb is called with the dataclass made of them.
    """
    groups: dict[str, Any] = {}
    shown: list[inspect.Parameter] = []
    for argument in inspect.signature(verb, eval_str=True).parameters.values():
        if dataclasses.is_dataclass(argument.annotation):
            groups[argument.name] = group = cast("type[Any]", argument.annotation)
            shown += inspect.signature(group, eval_str=True).parameters.values()
        else:
            shown.append(argument)

    @functools.wraps(verb)
    def run(**given: Any) -> None:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in dataclasses.fields(group)})
            for name, group in groups.items()
        }
        verb(**given, **made)

    by_name = [argument.replace(kind=inspect.Parameter.KEYWORD_ONLY) for argument in shown]
    run.__signature__ = inspect.Signature(by_name)  # type: ignore[attr-defined]
    run.__annotations__ = {argument.name: argument.annotation for argument in by_name}
    return run
