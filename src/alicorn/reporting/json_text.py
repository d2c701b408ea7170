"""JSON text that every parser reads: NaN and infinity, which JSON does not have, are null.

Dates and times are ISO 8601 and bytes base64, as the HTTP API writes them. The text is ASCII: it survives any terminal.
"""

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from numbers import Integral, Real
from typing import Any


def to_json(value: Any, indent: int | None = None) -> str:
    """The value as one JSON text. Numbers of NumPy are numbers; a type that JSON cannot express is written as str()."""
    return json.dumps(_plain(value), indent=indent, allow_nan=False)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime | date | time):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)
