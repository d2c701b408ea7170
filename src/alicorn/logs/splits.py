"""Searches, split into train, valid and test. A search is the rows of one search_id: all of it is in one split.

A split by time is the honest one: each split is an interval of time, so that popularity, train pairs and the activity
that makes hard positives of train are all before the first valid search. The others hold out queries, searchers or
whatever a column says.
"""

import datetime
from typing import NamedTuple

import ibis
import pyarrow as pa
import xxhash
from ibis import _

from alicorn.errors import TableError
from alicorn.logs.tables import Logs
from alicorn.tables import note
from alicorn.text import normalize
from alicorn.vertical import Split

SPLITS = ("train", "valid", "test")


class Boundaries(NamedTuple):
    """A search is in test from `test_from` on, else in valid from `valid_from` on, else in train; None: never."""

    valid_from: datetime.datetime | None
    test_from: datetime.datetime | None

    def split_of(self, time: ibis.Value) -> ibis.Value:
        """The split of a time column, as a string."""
        cases = [(time >= ibis.literal(start), name) for name, start in self._from_the_last()]
        return ibis.cases(*cases, else_="train") if cases else ibis.literal("train")

    def end_of_split(self, time: ibis.Value) -> ibis.Value:
        """The time at which the split of `time` ends; null for the last one."""
        ends = [ibis.literal(start) for _, start in reversed(self._from_the_last())]
        none = ibis.null("timestamp")
        return ibis.cases(*((time < end, end) for end in ends), else_=none) if ends else none

    def _from_the_last(self) -> list[tuple[str, datetime.datetime]]:
        both = (("test", self.test_from), ("valid", self.valid_from))
        return [(name, start) for name, start in both if start is not None]


NO_BOUNDARIES = Boundaries(None, None)


def split_searches(logs: Logs, split: Split) -> tuple[ibis.Table, Boundaries]:
    """The searches with their split, as `searches`; and where splits by time begin. Notes a split that is empty.

    Raises TableError where a column that says the split says something else.
    """
    found = logs.keep("searches", searches(logs.impressions, split.column))
    boundaries = NO_BOUNDARIES
    if split.by == "time":
        boundaries = Boundaries(split.valid_from, split.test_from)
        if any(split.shares):
            boundaries = _by_shares(found, *split.shares)
        found = found.mutate(split=boundaries.split_of(found.time))
    elif split.by == "column":
        found = _by_column(found, split)
    else:
        found = _by_hash(logs, found, split)
    found = logs.keep("split_searches", found)
    _note_empty(found, split)
    return found, boundaries


def searches(impressions: ibis.Table, fold: str | None = None) -> ibis.Table:
    """One row per search: search_id, searcher_id, time (of its first row), query, num_shown, num_clicked.

    A row counts as clicked where its grade is above 0. fold: a column that is kept under this name.
    """
    further = {} if fold is None else {"fold": _[fold].max()}
    return impressions.group_by("search_id").aggregate(
        searcher_id=_.searcher_id.max(),
        time=_.time.min(),
        query=_.query.max(),
        num_shown=_.doc_id.count(),
        num_clicked=(_.grade > 0).sum(),
        **further,
    )


def _by_shares(searches: ibis.Table, valid: float, test: float) -> Boundaries:
    """Shares count searches in the order of time. Searches of one moment stay together, in the later split, so shares
    hold up to ties."""
    num_searches = searches.count().to_pyarrow().as_py()
    num_test = round(num_searches * test)
    num_held_out = num_test + round(num_searches * valid)
    times = searches.order_by("time").select("time")
    return Boundaries(
        valid_from=_time_at(times, num_searches - num_held_out) if valid else None,
        test_from=_time_at(times, num_searches - num_test) if test else None,
    )


def _time_at(times: ibis.Table, place: int) -> datetime.datetime | None:
    """None behind the last."""
    found: list[datetime.datetime] = times.limit(1, offset=place).to_pyarrow()["time"].to_pylist()
    return found[0] if found else None


def _by_column(searches: ibis.Table, split: Split) -> ibis.Table:
    """The column is dropped."""
    if split.is_given:
        _refuse_other_names(searches, split)
        return searches.mutate(split=_.fold).drop("fold")
    named = zip(("valid", "test"), split.values, strict=True)
    cases = [(searches.fold.isin(list(values)), name) for name, values in named if values]
    return searches.mutate(split=ibis.cases(*cases, else_="train")).drop("fold")


def _refuse_other_names(searches: ibis.Table, split: Split) -> None:
    names = searches.group_by("fold").aggregate(count=_.count()).order_by("fold").to_pyarrow().to_pylist()
    for row in names:
        if row["fold"] not in SPLITS:
            raise TableError(
                f"table impressions, column '{split.column}': {row['fold']!r} ({row['count']} searches) is none of "
                f"{', '.join(SPLITS)}; where its values are others, say which are held out: split: {{by: column, "
                f"column: {split.column}, valid: [...], test: [...]}}",
                table="impressions",
                column=split.column,
                count=row["count"],
            )


def _by_hash(logs: Logs, searches: ibis.Table, split: Split) -> ibis.Table:
    """All searches of one key are in one split. A larger share of valid moves no search out of test."""
    whole = ibis.coalesce(searches.searcher_id, searches.search_id) if split.by == "searcher" else searches.query
    keys = searches.select(key=whole).distinct().to_pyarrow()["key"]
    splits = pa.array([_of_key(key, split) for key in keys.to_pylist()], pa.string())
    known = logs.keep("keys", pa.table({"key": keys, "split": splits}))
    return searches.mutate(key=whole).join(known, "key").drop("key")


def _of_key(key: str, split: Split) -> str:
    text = normalize(key) if split.by == "query" else key
    place = xxhash.xxh3_64_intdigest(f"{split.by} {text}".encode()) / 2.0**64
    valid, test = split.shares
    return "test" if place < test else "valid" if place < test + valid else "train"


def _note_empty(searches: ibis.Table, split: Split) -> None:
    wanted = {
        "train": True,
        "valid": split.is_given or bool(split.valid or split.valid_from),
        "test": split.is_given or bool(split.test or split.test_from),
    }
    found = set(searches.select("split").distinct().to_pyarrow()["split"].to_pylist())
    for name in SPLITS:
        if wanted[name] and name not in found:
            note(f"split: no search falls into {name}: whatever needs one will say so")
