"""What the values of a column look like: by these a column is a title, a category, a number or a link."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

Kind = Literal[
    "text", "long text", "category", "code", "link", "tags", "number", "flag", "time", "vector", "vectors", "other"
]
WORDED: tuple[Kind, ...] = ("text", "long text", "category", "tags", "code")
"""Kinds of columns that have words."""
_LONG = 30  # words from which a text is long
_FEW_WORDS = 4  # of a category at most
_PER_VALUE = 5  # documents that have a value of a category, at least, on average


@dataclass(frozen=True)
class Profile:
    """filled: share of rows with a value. distinct: number of values, of lists of their elements. words: in a value, or
    in an element of a list, on average. length: elements of a list, on average. dim: of vectors."""

    name: str
    kind: Kind
    rows: int
    filled: float
    distinct: int
    words: float
    dim: int = 0
    length: float = 1.0


def profiles(table: pa.Table) -> Iterator[Profile]:
    """Of every column of a table of plain types, in order."""
    for name in table.column_names:
        yield _profile(name, table[name])


def _profile(name: str, column: pa.ChunkedArray) -> Profile:
    values = column.drop_null()
    filled = len(values) / max(len(column), 1)
    kind = values.type
    if pa.types.is_list(kind) and not pa.types.is_null(kind.value_type):
        return _of_lists(name, values, filled)
    distinct = pc.count_distinct(values).as_py() if _is_scalar(kind) else 0
    words = _mean_words(values) if pa.types.is_string(kind) else 0.0
    return Profile(name, _kind(values, distinct, words), len(column), filled, distinct, words)


def _is_scalar(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_null(kind))


def _kind(values: pa.ChunkedArray, distinct: int, words: float) -> Kind:
    kind = values.type
    if pa.types.is_boolean(kind):
        return "flag"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_temporal(kind):
        return "time"
    if not pa.types.is_string(kind) or not len(values):
        return "other"
    if _share(values, r"^(https?://|/|www\.)\S+$") > _NEARLY:
        return "link"
    if len(values) >= distinct * _PER_VALUE and words <= _FEW_WORDS:
        return "category"
    if words > _LONG:
        return "long text"
    return "code" if _share(values, r"^\S*\d\S*$") > _NEARLY else "text"


_NEARLY = 0.9


def _share(values: pa.ChunkedArray, pattern: str) -> float:
    return float(pc.mean(pc.match_substring_regex(values, pattern)).as_py() or 0.0)


def _mean_words(values: pa.ChunkedArray) -> float:
    return float(pc.mean(pc.count_substring_regex(values, r"\S+")).as_py() or 0.0)


def _of_lists(name: str, values: pa.ChunkedArray, filled: float) -> Profile:
    inner = values.type.value_type
    rows = round(len(values) / filled) if filled else 0
    if pa.types.is_string(inner):
        elements = pc.list_flatten(values).drop_null()
        distinct, words = pc.count_distinct(elements).as_py(), _mean_words(elements)
        is_tags = words <= _FEW_WORDS and len(elements) >= distinct * _PER_VALUE
        kind: Kind = "tags" if is_tags else "long text" if words > _LONG else "text"
        return Profile(name, kind, rows, filled, distinct, words, length=len(elements) / max(rows, 1))
    if pa.types.is_floating(inner):
        lengths = pc.min_max(pc.list_value_length(values))
        is_vector = lengths["min"].as_py() == lengths["max"].as_py() and (lengths["max"].as_py() or 0) > 1
        return Profile(name, "vector" if is_vector else "other", rows, filled, 0, 0.0, lengths["max"].as_py() or 0)
    if pa.types.is_list(inner) and pa.types.is_floating(inner.value_type):
        dims = pc.max(pc.list_value_length(pc.list_flatten(values))).as_py() or 0
        return Profile(name, "vectors", rows, filled, 0, 0.0, dims)
    return Profile(name, "other", rows, filled, 0, 0.0)


def slug(text: str) -> str:
    """A name as vertical.yaml takes it: a letter, then letters, digits, `_`, `-` and `.`; empty where there is none."""
    return re.sub(r"^[^A-Za-z]+", "", re.sub(r"[^A-Za-z0-9_.-]+", "_", text)).strip("_")
