"""Searches, split by time. A search is the rows of one session_id: all of it is in one split.

Training must not see what happens after it: a split is an interval of time, so that popularity, train pairs and the
activity that makes hard positives of train are all before the first valid search.
"""

import datetime
from typing import NamedTuple

import ibis
from ibis import _

from alicorn.errors import ConfigError
from alicorn.vertical import Split

SPLITS = ("train", "valid", "test")


class Boundaries(NamedTuple):
    """A search is in train before `valid_from`, in test from `test_from` on (None: there is no test), else in valid."""

    valid_from: datetime.datetime
    test_from: datetime.datetime | None

    def split_of(self, time: ibis.Value) -> ibis.Value:
        """The split of a time column, as a string."""
        return ibis.cases(
            (time < ibis.literal(self.valid_from), "train"),
            (self._before_test(time), "valid"),
            else_="test",
        )

    def end_of_split(self, time: ibis.Value) -> ibis.Value:
        """The time at which the split of `time` ends; null for the last one."""
        end = ibis.null("timestamp") if self.test_from is None else ibis.literal(self.test_from)
        return ibis.cases(
            (time < ibis.literal(self.valid_from), ibis.literal(self.valid_from)),
            (self._before_test(time), end),
            else_=ibis.null("timestamp"),
        )

    def _before_test(self, time: ibis.Value) -> ibis.Value:
        return ibis.literal(True) if self.test_from is None else time < ibis.literal(self.test_from)


def searches(impressions: ibis.Table) -> ibis.Table:
    """One row per search: session_id, searcher_id, time (of its first row), query, num_shown, num_clicked.

    A row counts as clicked where its grade is above 0.
    """
    return impressions.group_by("session_id").aggregate(
        searcher_id=_.searcher_id.max(),
        time=_.time.min(),
        query=_.query.max(),
        num_shown=_.doc_id.count(),
        num_clicked=(_.grade > 0).sum(),
    )


def boundaries(searches: ibis.Table, split: Split) -> Boundaries:
    """Times that a Split means for these searches; shares count searches in the order of time. Raises ConfigError.

    Searches of one moment stay together, in the later split, so shares hold up to ties.
    """
    if split.valid_from is not None:
        found = Boundaries(split.valid_from, split.test_from)
    else:
        found = _by_shares(searches, split.valid or 0.0, split.test)
    _refuse_empty(searches, found)
    return found


def _by_shares(searches: ibis.Table, valid: float, test: float | None) -> Boundaries:
    num_searches = searches.count().to_pyarrow().as_py()
    num_test = round(num_searches * (test or 0.0))
    num_held_out = num_test + round(num_searches * valid)
    times = searches.order_by("time").select("time")
    return Boundaries(
        valid_from=_time_at(times, num_searches - num_held_out),
        test_from=None if test is None else _time_at(times, num_searches - num_test),
    )


def _time_at(times: ibis.Table, place: int) -> datetime.datetime:
    found: list[datetime.datetime] = times.limit(1, offset=place).to_pyarrow()["time"].to_pylist()
    if not found:
        raise ConfigError("split: too few searches for these shares: one of the splits would be empty")
    return found[0]


def _refuse_empty(searches: ibis.Table, found: Boundaries) -> None:
    counted = searches.group_by(split=found.split_of(searches.time)).aggregate(count=_.count()).to_pyarrow().to_pylist()
    counts = {row["split"]: row["count"] for row in counted}
    for split in SPLITS if found.test_from is not None else SPLITS[:2]:
        if not counts.get(split):
            raise ConfigError(
                f"split: no search falls into {split}; valid starts {found.valid_from}, "
                f"test {found.test_from or 'never'}; searches: {counts}"
            )
