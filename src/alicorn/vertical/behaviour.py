"""What had the searcher done before the search? Windows over activity and clicks, which `mine` writes as columns.

    request:
      behaviour:
        kinds: [click, bought]          # click: a chosen result of a search; the others are kinds of the table activity
        attributes: [brand, shop]       # columns of documents that are kept with each document
        past_queries: 10
      features:
        realtime: {kind: sequence, parts: {item: realtime_item, brand: realtime_brand}, last: 50}

Each window `w` gives parallel columns, the oldest element first: w_item (doc_id), w_kind, w_<attribute> (list<string>)
and w_age_days (list<float>, days before the search). `past_queries` is a column list<string>. logs/behaviour.py
computes them; a served request finds them in the table of searchers, as they were at the end of the log.
"""

from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from alicorn.config import Config
from alicorn.vertical.columns import Column, ColumnType

PAST_QUERIES = "past_queries"
_OWN = ("item", "kind", "age_days")


class Window(Config):
    """The newest `newest` elements that are at most `days` old and in no earlier window; days: None for any age."""

    days: Annotated[float, Field(gt=0)] | None = None
    newest: Annotated[int, Field(ge=1)]


class Behaviour(Config):
    """windows: from the latest back; they share no element. The defaults are the days and lengths of MGDSPR (Taobao,
    section 4: real-time, short 10 days, long a month; 50, 100, 100), with a day for "real-time".

    past_queries: so many of the searcher's earlier queries, without empty ones.
    """

    kinds: Annotated[tuple[str, ...], Field(min_length=1)]
    attributes: tuple[str, ...] = ()
    windows: Annotated[dict[str, Window], Field(min_length=1)] = {  # noqa: RUF012 (pydantic copies it)
        "realtime": Window(days=1, newest=50),
        "short": Window(days=10, newest=100),
        "long": Window(days=30, newest=100),
    }
    past_queries: Annotated[int, Field(ge=0)] = 0

    @field_validator("windows")
    @classmethod
    def _check_windows(cls, windows: dict[str, Window]) -> dict[str, Window]:
        given = [(name, window.days) for name, window in windows.items() if window.days is not None]
        for (newer, days), (older, more) in pairwise(given):
            if more < days:
                raise ValueError(
                    f"windows go from the latest back: '{older}' ({more:g} days) must not end before the one in front "
                    f"of it, '{newer}' ({days:g} days)"
                )
        return windows

    @model_validator(mode="after")
    def _check(self) -> "Behaviour":
        for what in ("kinds", "attributes"):
            values = getattr(self, what)
            if len(set(values)) < len(values):
                raise ValueError(f"{what}: a name is given twice, got {', '.join(values)}")
        if taken := [name for name in self.attributes if name in _OWN]:
            raise ValueError(f"attributes: every window has a column '{taken[0]}' of its own: rename the column")
        names = [column.name for column in self.columns()]
        if repeated := next((name for i, name in enumerate(names) if name in names[:i]), None):
            raise ValueError(f"two columns would be called '{repeated}': rename a window or an attribute")
        return self

    def window_columns(self, window: str) -> dict[str, str]:
        """part (item, kind, an attribute, age_days) -> column of a window."""
        return {part: f"{window}_{part}" for part in ("item", "kind", *self.attributes, "age_days")}

    def columns(self) -> list[Column]:
        """Every column that it gives, in order."""
        found = []
        for window in self.windows:
            for part, name in self.window_columns(window).items():
                wanted = ColumnType.FLOATS if part == "age_days" else ColumnType.STRINGS
                found.append(Column(name, wanted, f"request.behaviour.windows.{window}"))
        if self.past_queries:
            found.append(Column(PAST_QUERIES, ColumnType.STRINGS, "request.behaviour.past_queries"))
        return found

    def group_of(self, column: str) -> str | None:
        """The window of a column, or past_queries; None for a column that is not of behaviour."""
        if column == PAST_QUERIES and self.past_queries:
            return PAST_QUERIES
        return next((w for w in self.windows if column in self.window_columns(w).values()), None)
