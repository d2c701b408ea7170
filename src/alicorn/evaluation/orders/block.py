"""An order as it is written: a sum, and the block of vertical.yaml."""

from collections.abc import Sequence
from typing import Any

from alicorn.evaluation.vertical_block import in_one_line
from alicorn.language.order import OrderBy, Part


def order_of(parts: Sequence[Part]) -> dict[str, Any]:
    """A sum as it is written in an order."""
    written: dict[str, Any] = {}
    for part in parts:
        scale: dict[str, Any] = {"log": True} if part.log else {} if part.half_at is None else {"half_at": part.half_at}
        if part.fields:
            scale["fields"] = dict(part.fields)
        if part.slop:
            scale["slop"] = part.slop
        written[str(part)] = {"weight": part.weight, **scale} if scale else part.weight
    return written


def order_block(hybrid: OrderBy, boolean: OrderBy | None, comment: str) -> str:
    """The lines of `order:`. comment: one line, without its mark."""
    lines = ["order:", f"  # {comment}", f"  hybrid: {in_one_line(hybrid)}"]
    if boolean is not None:
        lines.append(f"  boolean: {in_one_line(boolean)}")
    return "\n".join(lines) + "\n"
