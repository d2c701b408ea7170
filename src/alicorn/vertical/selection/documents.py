"""Which documents are indexed: the rules of `selection.documents`. A null satisfies no rule (EBR 4.3)."""

import datetime
import decimal
import math
from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from alicorn.config import Config
from alicorn.errors import TableError
from alicorn.interval import End, Number, check_end, interval, written
from alicorn.iso_times import Form, read_exact
from alicorn.vertical.columns import ColumnType
from alicorn.vertical.selection.requests import PositiveDays


class RecentRule(Config):
    """Keeps a document whose time is at most `days` before now; a later time counts as recent."""

    kind: Literal["recent"]
    column: str
    days: PositiveDays

    @property
    def label(self) -> str:
        return f"{self.column} within {self.days:g} days"

    @property
    def type(self) -> ColumnType:
        return ColumnType.TIME

    def keeps(self, values: pa.ChunkedArray, now: datetime.datetime) -> pa.ChunkedArray:
        """bool, null where the value is. now: with its zone."""
        since = (now - datetime.timedelta(days=self.days)).astimezone(datetime.UTC).replace(tzinfo=None)
        return pc.greater_equal(values.cast(pa.timestamp("us"), safe=False), pa.scalar(since, pa.timestamp("us")))


class RangeRule(Config):
    """Keeps a document whose number or time is between the ends, both included."""

    kind: Literal["range"]
    column: str
    min: int | float | str | None = None
    max: int | float | str | None = None

    @model_validator(mode="after")
    def _check(self) -> "RangeRule":
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both: without an end, a range keeps every document")
        ends = [(_form(end), end) for end in (self.min, self.max) if end is not None]
        if len(ends) == 2:
            ((low_form, low), min_), ((high_form, high), max_) = ends
            if low_form != high_form:
                raise ValueError(f"min and max are of two kinds: {min_} is a {low_form}, {max_} a {high_form}")
            if low > high:
                raise ValueError(f"min is above max ({_shown(min_)} > {_shown(max_)}): no document would be kept")
        return self

    @property
    def label(self) -> str:
        ends = [f"{name} {_shown(end)}" for name, end in (("min", self.min), ("max", self.max)) if end is not None]
        return f"{self.column} {' '.join(ends)}"

    @property
    def type(self) -> ColumnType:
        return ColumnType.ORDERED

    def keeps(self, values: pa.ChunkedArray, now: datetime.datetime) -> pa.ChunkedArray:
        """As `range` in a query: the column compares in its own type (alicorn.interval).

        Raises TableError where an end is of another kind than the column.
        """
        for end in (self.min, self.max):
            if end is not None:
                self._check_end(values.type, end)
        within = interval(values.type, self.min, self.max)
        if within is None:
            return pc.if_else(values.is_null(), None, False)
        kind = pa.float64() if pa.types.is_floating(values.type) else values.type
        low, high = (_scalar(end, kind) for end in within)
        numbers = values.cast(kind)
        return pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))

    def _check_end(self, kind: pa.DataType, end: End) -> None:
        try:
            check_end(kind, end)
        except ValueError as error:
            message = f"table documents, column '{self.column}' {error} (selection.documents, range)"
            raise TableError(message, table="documents", column=self.column) from error


def _form(end: End) -> tuple[Form | Literal["number"], Fraction]:
    """What kind of end it is, and how far up; of a date and a timestamp, which compare, the kind is the same."""
    if not isinstance(end, str):
        if not math.isfinite(end):
            raise ValueError(f"an end is finite, got {end}: leave out the end that is open")
        return "number", written(end)
    try:
        form, seconds = read_exact(end)
    except ValueError as error:
        example = "a date, time or duration such as 2024-05-01T13:05:00Z, 13:05:00, P1D"
        raise ValueError(f"an end is a number, or {example}; got {end[:40]!r}: {error}") from error
    return "timestamp" if form == "date" else form, seconds


def _shown(end: End) -> str:
    return end if isinstance(end, str) else f"{end:g}"


def _scalar(end: Number, kind: pa.DataType) -> pa.Scalar:
    """A value of the type from what alicorn.interval makes of an end."""
    if pa.types.is_decimal(kind):
        with decimal.localcontext(prec=100):
            return pa.scalar(decimal.Decimal(end).scaleb(-kind.scale), kind)
    if pa.types.is_temporal(kind):
        return pa.scalar(end, pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind)
    return pa.scalar(bool(end) if pa.types.is_boolean(kind) else end, kind)


class OneOfRule(Config):
    """Keeps a document whose string is one of the values, or whose list has one of them."""

    kind: Literal["one_of"]
    column: str
    values: Annotated[tuple[str, ...], Field(min_length=1)]

    @property
    def label(self) -> str:
        shown = ", ".join(self.values[:5]) + (", ..." if len(self.values) > 5 else "")
        return f"{self.column} one of {shown}"

    @property
    def type(self) -> ColumnType:
        return ColumnType.TEXT

    def keeps(self, values: pa.ChunkedArray, now: datetime.datetime) -> pa.ChunkedArray:
        wanted = pa.array(self.values, pa.string())
        if not pa.types.is_list(values.type):
            return pc.is_in(values, wanted)
        found = pc.is_in(pc.list_flatten(values), wanted)
        kept = np.zeros(len(values), dtype=bool)
        kept[pc.list_parent_indices(values).to_numpy()[found.to_numpy()]] = True
        return pa.chunked_array([pa.array(kept)])


DocumentRule = Annotated[RecentRule | RangeRule | OneOfRule, Field(discriminator="kind")]
