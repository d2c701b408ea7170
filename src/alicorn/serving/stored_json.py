"""The stored columns of hits as JSON text, kept for documents that are shown again.

A segment never changes, so the text of a document in it is kept as long as the segment is, up to a number of bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import pyarrow as pa
from msgspec import Raw, json

from alicorn.index import Segment
from alicorn.query import Result
from alicorn.reporting.json_text import plain_json
from alicorn.tables import python_values

MOST_BYTES = 32 << 20
"""Of the texts of one segment; they are made anew from the beginning once it has more."""


@dataclass(slots=True)
class _SegmentTexts:
    """columns: of the collection when the texts were made."""

    columns: Mapping[str, pa.DataType]
    texts: dict[int, Raw] = field(default_factory=dict)
    num_bytes: int = 0


class StoredJson:
    """Of the hits of one collection."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: WeakKeyDictionary[Segment, _SegmentTexts] = WeakKeyDictionary()

    def of(self, result: Result) -> list[Raw]:
        """All stored columns of each hit."""
        columns = result.snapshot.columns
        kept = [self._of_segment(view.segment, columns) for view in result.snapshot.segments]
        addresses = list(zip(result.segments.tolist(), result.numbers.tolist(), strict=True))
        texts = [kept[at].texts.get(number) for at, number in addresses]
        missing = [hit for hit, text in enumerate(texts) if text is None]
        if missing:
            rows = replace(result, segments=result.segments[missing], numbers=result.numbers[missing])
            for hit, values in zip(missing, stored_values(rows, None), strict=True):
                texts[hit] = text = Raw(json.encode(values))
                at, number = addresses[hit]
                self._keep(kept[at], number, text)
        return [text for text in texts if text is not None]

    def _of_segment(self, segment: Segment, columns: Mapping[str, pa.DataType]) -> _SegmentTexts:
        kept = self._kept.get(segment)
        if kept is None or (kept.columns is not columns and kept.columns != columns):
            kept = self._kept[segment] = _SegmentTexts(columns)
        return kept

    def _keep(self, kept: _SegmentTexts, number: int, text: Raw) -> None:
        size = len(bytes(text))
        if kept.num_bytes + size > self._most_bytes:
            kept.texts, kept.num_bytes = {}, 0
        kept.texts[number] = text
        kept.num_bytes += size


def stored_values(result: Result, shown: Sequence[str] | None) -> list[dict[str, Any]]:
    """The stored columns of each hit, as JSON has their values. shown: their names; None for all."""
    table = result.table(shown)
    names = table.column_names[1:]
    if not names:
        return [{} for _ in range(len(table))]
    columns = (_json_values(table.column(name)) for name in names)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _json_values(column: pa.ChunkedArray) -> list[Any]:
    """As of plain_json, which text, whole numbers and lists of them have no need of."""
    values = python_values(column)
    kind = column.type.value_type if pa.types.is_list(column.type) else column.type
    as_is = pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    return values if as_is else [plain_json(value) for value in values]
