"""Which documents are indexed, and which requests need no `nn`: the `selection` of vertical.yaml (EBR 4.3).

    selection:
      documents:                                             # a document is indexed if it satisfies every rule
        - {kind: recent, column: last_active, days: 30}      # a time, at most so long before the time of publishing
        - {kind: range, column: popularity, min: 5}          # a number, or a date, time or duration (ISO 8601);
                                                             # both ends inclusive, either may be missing
        - {kind: one_of, column: country, values: [US, CA]}  # a string, or a list with any of the values
      requests:                                              # a text becomes `boolean`, not `hybrid`, by any rule
        - {kind: short, characters: 3}                       # fewer letters, marks and digits than that
        - {kind: repeat, days: 30}                           # this searcher chose a document for these words before,
                                                             # and the Boolean expression's first page still shows it

A null satisfies no rule. Publishing applies the rules to documents and says how many each left out; retrieval
applies those of requests. They are of no part that has to
match (parts.py): they may change without mining, training or publishing again.
"""

import datetime
import decimal
import math
from collections.abc import Callable, Iterator
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
from alicorn.text import words
from alicorn.vertical.columns import Column, ColumnType, read_as

PositiveDays = Annotated[float, Field(gt=0, le=36_500)]


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


class ShortRule(Config):
    """A text of fewer letters, combining marks and digits: what is near to `j` is chance."""

    kind: Literal["short"]
    characters: Annotated[int, Field(ge=1)]

    @property
    def label(self) -> str:
        return f"fewer than {self.characters} characters"


class RepeatRule(Config):
    """An easy repeat: the searcher chose a document for these words before, and words alone still find it."""

    kind: Literal["repeat"]
    days: PositiveDays

    @property
    def label(self) -> str:
        return f"repeated within {self.days:g} days"


DocumentRule = Annotated[RecentRule | RangeRule | OneOfRule, Field(discriminator="kind")]
RequestRule = Annotated[ShortRule | RepeatRule, Field(discriminator="kind")]
IsRepeat = Callable[[float], bool]
"""Whether a request repeats, within so many days, one whose choice the Boolean expression still shows."""


class Selection(Config):
    """The `selection` of a vertical; without rules, every document is indexed and every text asks for neighbours."""

    documents: tuple[DocumentRule, ...] = ()
    requests: tuple[RequestRule, ...] = ()

    @property
    def repeat_days(self) -> float:
        """How long choices must be remembered for the rules; 0 without a rule that asks for them."""
        return max((rule.days for rule in self.requests if isinstance(rule, RepeatRule)), default=0.0)

    def columns(self) -> Iterator[Column]:
        """The columns of documents that the rules read."""
        for rule in self.documents:
            yield Column(rule.column, rule.type, f"selection.documents, {rule.kind}")

    def keeps(self, documents: pa.Table, now: datetime.datetime) -> tuple[np.ndarray, dict[str, int]]:
        """bool (documents,): whether every rule keeps it; and how many each rule refused that none before it did.

        documents: with the columns above, checked. now: with its zone; what `recent` counts back from.
        """
        kept = np.ones(len(documents), dtype=bool)
        counts = {}
        for rule, asked in zip(self.documents, self.columns(), strict=True):
            column = read_as(documents.select([rule.column]), [asked], "documents")[rule.column]
            satisfied = np.asarray(pc.fill_null(rule.keeps(column, now), False), dtype=bool)
            counts[rule.label] = int(np.sum(kept & ~satisfied))
            kept &= satisfied
        return kept, counts

    def untriggered(self, query: str, is_repeat: IsRepeat) -> str | None:
        """The label of the first rule by which this text needs no `nn`; None: it does."""
        for rule in self.requests:
            if isinstance(rule, ShortRule):
                if sum(map(len, words(query))) < rule.characters:
                    return rule.label
            elif is_repeat(rule.days):
                return rule.label
        return None
