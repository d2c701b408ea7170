"""The values of a stored column as ordinals: the places of the values among the distinct ones of their segment.

Ordinals are made when a column is first asked for, and kept as long as their segment. They cost four bytes a document.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.index import Segment
from alicorn.tables import one_chunk

Plain = bool | int | float | str | Decimal | None
"""A value in a form that compares as its column does: a date or time is an integer count of its unit."""


@dataclass(frozen=True, eq=False)
class Ordinals:
    """numbers: (num_docs,) uint32, len(values) for null and NaN; values: the distinct ones, ascending."""

    numbers: np.ndarray
    values: pa.Array

    def key(self, falling: bool) -> np.ndarray:
        """(num_docs,) uint32, the smaller the earlier in an order; null comes last either way."""
        if not falling:
            return self.numbers
        return ~self.numbers + np.uint32(len(self.values))  # len(values) - 1 - number; of null, the largest number

    def place(self, value: Plain, falling: bool) -> float:
        """The place of a value among those of `key`: its own, or between two if the segment does not have the value."""
        count = len(self.values)
        if value is None:
            return float(np.iinfo(np.uint32).max) if falling else float(count)
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            if plain(self.values[middle]) < value:  # type: ignore[operator]  # both of the column's type
                low = middle + 1
            else:
                high = middle
        found = low < count and plain(self.values[low]) == value
        place = low if found else low - 0.5
        return count - 1 - place if falling else place


_made: WeakKeyDictionary[Segment, dict[str, Ordinals]] = WeakKeyDictionary()


def ordinals_of(segment: Segment, name: str, kind: pa.DataType) -> Ordinals:
    """The ordinals of a column that has an order (keys.can_order). kind: its type in the collection."""
    made = _made.setdefault(segment, {})
    ordinals = made.get(name)
    if ordinals is None:
        ordinals = made[name] = _ordinals(segment, name, kind)
    return ordinals


def value_of(segment: Segment, name: str, number: int) -> Plain:
    """The value of a document in a stored column."""
    return plain(segment.fields.column(name)[number]) if name in segment.fields.column_names else None


def plain(scalar: pa.Scalar) -> Plain:
    """A value of a column that has an order; NaN is null."""
    kind, types = scalar.type, pa.types
    if not scalar.is_valid:
        return None
    if types.is_date32(kind) or types.is_timestamp(kind) or types.is_time(kind) or types.is_duration(kind):
        return int(scalar.value)
    value: Plain = scalar.as_py()
    return None if value != value else value


def _ordinals(segment: Segment, name: str, kind: pa.DataType) -> Ordinals:
    if name not in segment.fields.column_names or pa.types.is_null(segment.fields.schema.field(name).type):
        return Ordinals(np.zeros(segment.num_docs, dtype=np.uint32), pa.array([], kind))
    stored = one_chunk(segment.fields.column(name))
    column = segment.columns.get(name)
    if column is None:
        return string_ordinals(stored)
    is_new = np.ones(len(column.sorted_docs), dtype=bool)
    is_new[1:] = column.sorted_values[1:] != column.sorted_values[:-1]
    values = stored.take(pa.array(column.sorted_docs[is_new]))
    numbers = np.full(segment.num_docs, len(values), dtype=np.uint32)
    numbers[column.sorted_docs] = np.cumsum(is_new) - 1
    return Ordinals(numbers, values)


def string_ordinals(strings: pa.StringArray) -> Ordinals:
    """Ordinals of strings, by their UTF-8 bytes."""
    encoded = strings.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    ranks = np.empty(len(order) + 1, dtype=np.uint32)
    ranks[order] = np.arange(len(order), dtype=np.uint32)
    ranks[-1] = len(order)
    places = pc.fill_null(encoded.indices, len(order)).to_numpy(zero_copy_only=False)
    return Ordinals(ranks[places], encoded.dictionary.take(pa.array(order)))
