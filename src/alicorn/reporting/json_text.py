"""JSON text that every parser reads: NaN and infinity, which JSON does not have, are null.

Dates, times and durations are ISO 8601 and bytes base64, as docs/tables.md says and the HTTP API writes them. The text
is ASCII: it survives any terminal.
"""

import base64
import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from numbers import Integral, Real
from typing import Any

import numpy as np


def to_json(value: Any, indent: int | None = None) -> str:
    """The value as one JSON text. Numbers of NumPy are numbers; a type that JSON cannot express is written as str()."""
    return json.dumps(plain_json(value), indent=indent, allow_nan=False)


def plain_json(value: Any) -> Any:
    """The value of null, booleans, numbers, strings, lists and dictionaries alone."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, timedelta | np.timedelta64):  # before the integers, to which NumPy counts its own
        return _duration(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, Mapping):
        return {str(key): plain_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(one) for one in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime | date | time):
        return _iso(value)
    return str(value)


def _iso(value: datetime | date | time) -> str:
    if isinstance(value, datetime) and (offset := value.utcoffset()) is not None and offset.seconds % 60:
        value = value.astimezone(UTC)  # the local time of old days: an offset with seconds, which few can read
    return value.isoformat().replace("+00:00", "Z")


def _duration(value: timedelta | np.timedelta64) -> str:
    """ISO 8601 in days and seconds, such as P1DT2.5S."""
    if isinstance(value, timedelta):
        count, per_s = value // timedelta(microseconds=1), 1_000_000
    else:
        unit = np.datetime_data(value.dtype)[0]
        count, per_s = int(value.astype(np.int64)), {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[unit]
    seconds, rest = divmod(abs(count), per_s)
    fraction = f".{rest:0{len(str(per_s)) - 1}d}".rstrip("0") if rest else ""
    return f"{'-' if count < 0 else ''}P{seconds // 86_400}DT{seconds % 86_400}{fraction}S"
