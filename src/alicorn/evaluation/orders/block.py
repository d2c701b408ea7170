"""An order as it is written: a sum, the block of vertical.yaml, and the file with it in place of the one that it has.

Only the lines of `order:` are replaced, so that comments elsewhere stay. The new text is read back: whatever else it
says must be what the old one said.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from alicorn.config import plain_yaml, read_text
from alicorn.errors import ConfigError
from alicorn.language.order import OrderBy, Part
from alicorn.vertical import Vertical

_ORDER = re.compile(r"order[ \t]*:")


def order_of(parts: Sequence[Part]) -> dict[str, Any]:
    """A sum as it is written in an order."""
    written: dict[str, Any] = {}
    for part in parts:
        scale: dict[str, Any] = {"log": True} if part.log else {} if part.half_at is None else {"half_at": part.half_at}
        if part.fields:
            scale["fields"] = dict(part.fields)
        written[str(part)] = {"weight": part.weight, **scale} if scale else part.weight
    return written


def order_block(hybrid: OrderBy, boolean: OrderBy | None, comment: str) -> str:
    """The lines of `order:`. comment: one line, without its mark."""
    lines = ["order:", f"  # {comment}", f"  hybrid: {_flow(hybrid)}"]
    if boolean is not None:
        lines.append(f"  boolean: {_flow(boolean)}")
    return "\n".join(lines) + "\n"


def with_block(text: str, block: str, where: str) -> str:
    """The text of a vertical with the block. where: the file's name in messages.

    Raises ConfigError, with the block to paste, where replacing lines would change more than the order.
    """
    lines = text.splitlines(keepends=True)
    start = next((at for at, line in enumerate(lines) if _ORDER.match(line)), None)
    if start is None:
        body = text if text.endswith("\n") or not text else text + "\n"
        changed = f"{body}\n{block}"
    else:
        stop = start + 1
        while stop < len(lines) and (lines[stop][0] in " \t" or not lines[stop].strip()):
            stop += 1
        while not lines[stop - 1].strip():  # blank lines before the next key stay
            stop -= 1
        changed = "".join(lines[:start]) + block + "".join(lines[stop:])
    if not _same_but_order(changed, text, where):
        raise ConfigError(f"{where} cannot be changed line by line, as it is written; put this into it:\n\n{block}")
    return changed


def write_order(path: Path, block: str) -> None:
    """Put the block into a file, whole or not at all. Raises ConfigError as `with_block` does, before it writes."""
    changed = with_block(read_text(path), block, path.name)
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(changed, encoding="utf-8")
        Vertical.load(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _same_but_order(changed: str, text: str, where: str) -> bool:
    before = plain_yaml(text, where=where)
    try:
        after = plain_yaml(changed, where=where)
    except ConfigError:
        return False
    if not isinstance(before, dict) or not isinstance(after, dict):
        return False
    return {**before, "order": None} == {**after, "order": None}


def _flow(order: OrderBy) -> str:
    """In one line, as YAML that is read back equal."""
    value = list(order) if isinstance(order, tuple) else order
    written: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return written.removesuffix("\n").removesuffix("\n...")
