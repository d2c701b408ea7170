"""JSON text as RFC 8259 has it: UTF-8, no key twice, no NaN. No number becomes infinite or 0; integers are exact."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_NOT_ZERO = re.compile(r"-?[0.]*[1-9]")
_SHOWN = 40  # characters of a number or a key in a message


class JsonError(ValueError):
    """A text that is no JSON; the message says where or which."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises JsonError."""
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        value = json.loads(
            decoded, object_pairs_hook=_object, parse_float=_float, parse_constant=_constant, parse_int=_integer
        )
        if "\\u" in decoded:
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # half of a surrogate pair is no text
    except JsonError:
        raise
    except UnicodeDecodeError as error:
        raise JsonError(f"byte {error.start} is not UTF-8") from error
    except UnicodeEncodeError as error:
        raise JsonError("a \\u escape is half of a surrogate pair") from error
    except RecursionError as error:
        raise JsonError("it is nested too deep") from error
    except ValueError as error:
        raise JsonError(str(error)) from error
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise JsonError(f"the key {twice[:_SHOWN]!r} is there twice in one object")
    return found


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise JsonError(f"the number {text[:_SHOWN]} is too large for a double")
    if number == 0 and _NOT_ZERO.match(text):
        raise JsonError(f"the number {text[:_SHOWN]} is too small for a double: it would become 0")
    return number


def _integer(text: str) -> int:
    if len(text) > 400:
        raise JsonError(f"the number {text[:_SHOWN]}... has {len(text)} digits")
    return int(text)


def _constant(text: str) -> Any:
    raise JsonError(f"{text} is no JSON: give null")
