"""Where a page of hits ends: the keys of its last hit and its doc_id, as a short opaque text.

The next page begins with the first document that comes later in the order, whatever has been written since. A
cursor is of one order: its text holds a digest of the keys, of the types of their columns, of the vectors of `nn` and
of the words of `bm25`.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import xxhash

from alicorn.errors import ConfigError
from alicorn.language.order import ByColumn, Order, RankFusion, Sum
from alicorn.language.prepared import Prepared
from alicorn.query.order.neighbours import neighbours_of
from alicorn.query.order.ordinals import Plain
from alicorn.query.order.scores import fuzzy_of, nns_of, terms_of

_MALFORMED = "after: expected the cursor of a result (its `cursor`), got {}"


@dataclass(frozen=True, slots=True)
class Cursor:
    """values: of each key of the order, a score or the plain value of a column."""

    values: tuple[Plain, ...]
    doc_id: str


class Ordering(NamedTuple):
    """An order with everything that determines it in one request. columns: the collection's stored columns."""

    order: Order
    prepared: Prepared
    vectors: Mapping[str, np.ndarray]
    columns: Mapping[str, pa.DataType]

    def write(self, cursor: Cursor) -> str:
        """The text of a cursor."""
        values = [str(value) if _has_no_json(value) else value for value in cursor.values]
        parts = [self._digest(), values, cursor.doc_id]
        text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def read(self, text: str) -> Cursor:
        """The cursor of a text. Raises ConfigError if the text is no cursor, or a cursor of another order."""
        digest, values, doc_id = _parsed(text)
        if digest != self._digest():
            raise ConfigError(
                "after: this cursor is of another order: continue with the order_by, the vectors and the words of the"
                " page that gave it, or begin again without after"
            )
        try:
            known = tuple(self._value(key, value) for key, value in zip(self.order, values, strict=True))
        except (ValueError, ArithmeticError):
            raise ConfigError(_MALFORMED.format(repr(text[:40]))) from None
        return Cursor(known, doc_id)

    def _value(self, key: Sum | RankFusion | ByColumn, value: object) -> Plain:
        """A value as JSON gives it -> as its column compares it."""
        kind = self.columns[key.name] if isinstance(key, ByColumn) else pa.float64()
        if value is None and isinstance(key, ByColumn):
            return None
        if pa.types.is_decimal(kind) and isinstance(value, str):
            return Decimal(value)
        if pa.types.is_floating(kind) and value in ("inf", "-inf"):
            return float(value)
        if pa.types.is_string(kind) == isinstance(value, str) and isinstance(value, str | bool | int | float):
            return value
        raise ValueError

    def _digest(self) -> str:
        digest = xxhash.xxh64()
        for key in self.order:
            digest.update(repr(key).encode())
            if isinstance(key, ByColumn):
                digest.update(str(self.columns[key.name]).encode())
                continue
            for part in key.parts:
                if part.kind == "nn":
                    for nn in nns_of(part, self.prepared):
                        digest.update(f"{nn.key} ".encode() + self.vectors[nn.vector or nn.key].tobytes())
                elif part.kind == "bm25":
                    words = [terms_of(part, self.prepared), list(map(str, fuzzy_of(part, self.prepared)))]
                    digest.update(repr(words).encode())
                elif part.kind == "phrase":
                    digest.update(repr(neighbours_of(self.prepared.root, part.of)).encode())
                elif part.kind == "column":
                    digest.update(str(self.columns[part.of]).encode())
        return digest.hexdigest()


def _parsed(text: str) -> tuple[str, list[object], str]:
    """The digest, the values and the doc_id of the text of a cursor."""
    if not isinstance(text, str):
        raise ConfigError(_MALFORMED.format(type(text).__name__))
    try:
        whole = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        match json.loads(whole):
            case [str(digest), list(values), str(doc_id)]:
                return digest, values, doc_id
    except ValueError:  # no base64, no UTF-8, no JSON
        pass
    raise ConfigError(_MALFORMED.format(repr(text[:40])))


def _has_no_json(value: Plain) -> bool:
    """Whether JSON has no number for it: decimals, and the score of a document without the embedding, -inf."""
    return isinstance(value, Decimal) or (isinstance(value, float) and math.isinf(value))
