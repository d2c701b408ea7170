"""Which searches are held out: the `split` of vertical.yaml.

    split: {valid: 0.1, test: 0.1}                            # the last shares of the searches, by time
    split: {valid_from: 2024-01-01, test_from: 2025-01-01}    # from a time on, UTC
    split: {by: query, valid: 0.1}                            # by hash: all searches of a query (normalised) together
    split: {by: searcher, valid: 0.1, test: 0.1}              # all of a searcher; anonymous searches one by one
    split: {by: column, column: fold}                         # given: a column of impressions says train, valid or test
    split: {by: column, column: market, valid: [CA], test: [UK, IE]}      # by its values; the others are train

A split may be empty: only a verb that needs it asks for it.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from alicorn.config import Config, UtcTime

SplitShare = Annotated[float, Field(gt=0, le=1)]
Values = Annotated[tuple[str, ...], Field(min_length=1)]


class Split(Config):
    """Shares of the searches, times, or values of a column; whatever is neither valid nor test is train."""

    by: Literal["time", "query", "searcher", "column"] = "time"
    valid: SplitShare | Values | None = None
    test: SplitShare | Values | None = None
    valid_from: UtcTime | None = None
    test_from: UtcTime | None = None
    column: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _check(self) -> "Split":
        if self.by == "column":
            self._check_column()
            return self
        if self.column is not None:
            raise ValueError(f"column is of a split by column: set by: column, or leave '{self.column}' out")
        if isinstance(self.valid, tuple) or isinstance(self.test, tuple):
            raise ValueError("valid and test are shares above 0 and up to 1; lists are of a split by column")
        given, times = (self.valid, self.test), (self.valid_from, self.test_from)
        if any(times) and self.by != "time":
            raise ValueError(f"valid_from and test_from are of a split by time, not by {self.by}: give shares")
        if any(given) and any(times):
            raise ValueError("give shares (valid, test) or times (valid_from, test_from), not both")
        if not any(given) and not any(times):
            either = ", or valid_from or test_from (a time)" if self.by == "time" else ""
            raise ValueError(f"give valid or test (a share of the searches){either}")
        if (total := sum(self.shares)) > 1:
            raise ValueError(f"valid + test is at most 1, got {total:g}")
        if self.valid_from is not None and self.test_from is not None and self.test_from <= self.valid_from:
            raise ValueError(f"test_from must be after valid_from, got {self.test_from} and {self.valid_from}")
        return self

    def _check_column(self) -> None:
        if self.column is None:
            raise ValueError("by: column needs the name of a column of impressions: column")
        if any((self.valid_from, self.test_from)):
            raise ValueError("valid_from and test_from are of a split by time, not by column")
        if any(isinstance(values, float) for values in (self.valid, self.test)):
            raise ValueError("valid and test are lists of values of the column, such as [CA, UK], or left out")
        if both := set(self.values[0]) & set(self.values[1]):
            raise ValueError(f"'{min(both)}' is a value of both valid and test")

    @property
    def shares(self) -> tuple[float, float]:
        """Of valid and test; 0 where it is not given by a share."""
        valid, test = (share if isinstance(share, float) else 0.0 for share in (self.valid, self.test))
        return valid, test

    @property
    def values(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of the column, for valid and for test."""
        valid, test = (values if isinstance(values, tuple) else () for values in (self.valid, self.test))
        return valid, test

    @property
    def is_given(self) -> bool:
        """Whether the column says train, valid and test itself."""
        return self.by == "column" and self.valid is None and self.test is None
