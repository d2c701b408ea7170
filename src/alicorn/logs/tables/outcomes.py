"""What searches, shown and events tell of: the impressions and the activity that mining reads.

An event chooses a document where the vertical's `actions` give its action a weight above 0; the grade of a document
that a search showed is the greatest weight of what was done with it. The action `seen` says that a document was in
view: where a search has any, the documents without are unseen. Activity is whatever else searchers did with
documents: all events but those of `seen`, and but the clicks on what a search showed, which impressions have.

Nothing is dropped in silence: what is odd is counted, and a note says what becomes of it.
"""

import datetime
from collections.abc import Mapping
from typing import NamedTuple

import ibis
from ibis import _
from ibis.backends.duckdb import Backend

from alicorn.tables import note

ROW = "__row"  # number of a row in its table, over all part files in the order of their names
SEEN = "seen"
OF_SHOWN = {"seen": "boolean", "rank": "int64", "probability": "float64"}
"""Columns of what was shown that are null where nothing is known of them."""
CLICK = "click"

_ODD = {
    "shown_of_unknown_searches": "rows of shown whose search is not in searches: left out",
    "events_repeated": "events sent more than once (the same event_id, or all the same without one): counted once",
    "events_of_unknown_searches": "events of a search that is not in searches: activity of their searcher",
    "events_of_documents_not_shown": "events of a document that their search did not show: activity of their searcher",
    "events_before_their_search": "events that are earlier than their search, by some clock: read like all others",
    "events_from_the_future": "events later than now, by some clock: read like all others",
    "events_without_document": "events without a doc_id: not read",
    "events_of_nobody": "events of no searcher and of nothing that a search showed: not read",
}


class Joined(NamedTuple):
    """impressions: of the simple way in, with grade, weight and `seen` (null: nobody knows). counts: of what is odd."""

    impressions: ibis.Table
    activity: ibis.Table | None
    counts: dict[str, int]


def joined(
    connection: Backend, tables: Mapping[str, ibis.Table], actions: Mapping[str, float], now: datetime.datetime
) -> Joined:
    """The impressions and the activity of a full log. tables: searches and shown; events and activity, if there.

    actions: the weight of each action that chooses a document. now: UTC, without a zone.
    """
    searches, shown = tables["searches"], tables["shown"]
    unknown = shown.anti_join(searches, "search_id").count().to_pyarrow().as_py()
    counts = {"shown_of_unknown_searches": unknown}
    activity, done = tables.get("activity"), None
    if "events" in tables:
        events, repeated = _events(connection, tables["events"], searches, shown)
        counts |= {"events_repeated": repeated, **_odd(events, now)}
        done = _done(events, actions)
        acts = _acts(events)
        activity = acts if activity is None else acts.union(activity.select(acts.columns))
        activity = connection.create_table("told_activity", activity, temp=True)
    impressions = connection.create_table("told_impressions", _impressions(searches, shown, done), temp=True)
    counts = {name: count for name, count in counts.items() if count}
    for name, count in counts.items():
        note(f"the log has {count} {_ODD[name]}")
    return Joined(impressions, activity, counts)


def _events(connection: Backend, events: ibis.Table, searches: ibis.Table, shown: ibis.Table) -> tuple[ibis.Table, int]:
    """Each event once, with `asked` (the time of its search, null: unknown) and is_shown; and how many came again.

    searcher_id: of the search, where the event does not say.
    """
    own = ["time", "search_id", "searcher_id", "doc_id", "action"]
    event_id = events.event_id if "event_id" in events.columns else ibis.null("string")
    key = {name: event_id.isnull().ifelse(events[name], ibis.null(events[name].type())) for name in own}
    first = events.group_by(event_id=event_id, **key).aggregate(first=_[ROW].min())
    once = events.semi_join(first, events[ROW] == first.first)
    of_search = searches.select("search_id", asked="time", by="searcher_id")
    of_page = shown.select("search_id", "doc_id").distinct().mutate(is_shown=True).semi_join(searches, "search_id")
    joined = once.left_join(of_search, "search_id").drop("search_id_right")
    joined = joined.left_join(of_page, ["search_id", "doc_id"]).select(
        *("time", "search_id", "doc_id", "action", "asked"),
        searcher_id=ibis.coalesce(_.searcher_id, _.by),
        is_shown=_.is_shown.fill_null(False),
    )
    kept = connection.create_table("told_events", joined, temp=True)
    counted = kept.count().to_pyarrow().as_py(), events.count().to_pyarrow().as_py()
    return kept, counted[1] - counted[0]


def _odd(events: ibis.Table, now: datetime.datetime) -> dict[str, int]:
    found = events.aggregate(
        events_of_unknown_searches=(_.search_id.notnull() & _.asked.isnull()).sum(),
        events_of_documents_not_shown=(_.asked.notnull() & _.doc_id.notnull() & ~_.is_shown).sum(),
        events_before_their_search=(_.time < _.asked).sum(),
        events_from_the_future=(_.time > ibis.literal(now)).sum(),
        events_without_document=_.doc_id.isnull().sum(),
        events_of_nobody=(_.doc_id.notnull() & _.searcher_id.isnull() & ~_.is_shown).sum(),
    )
    return {name: count or 0 for name, count in found.to_pyarrow().to_pylist()[0].items()}


def _done(events: ibis.Table, actions: Mapping[str, float]) -> ibis.Table:
    """search_id, doc_id, grade (the greatest weight) and is_seen, of what was done with documents that were shown."""
    weights = [(events.action == action, ibis.literal(float(weight))) for action, weight in actions.items()]
    weighed = events.mutate(weight=ibis.cases(*weights, else_=0.0) if weights else ibis.literal(0.0))
    done = weighed.filter(_.is_shown).group_by("search_id", "doc_id")
    return done.aggregate(grade=_.weight.max(), is_seen=(_.action == SEEN).any())


def _acts(events: ibis.Table) -> ibis.Table:
    acts = events.filter(_.searcher_id.notnull() & _.doc_id.notnull() & (_.action != SEEN))
    acts = acts.filter((_.action != CLICK) | ~_.is_shown)
    return acts.select("searcher_id", "time", "doc_id", kind="action")


def _impressions(searches: ibis.Table, shown: ibis.Table, done: ibis.Table | None) -> ibis.Table:
    """A row per document shown, and one for a search that showed none."""
    own = [name for name in searches.columns if name != ROW]
    given = [name for name in ("search_id", "doc_id", "position", *OF_SHOWN) if name in shown.columns]
    absent = {name: ibis.null(kind) for name, kind in OF_SHOWN.items() if name not in given}
    pages = searches.left_join(shown.select(*given, **absent), "search_id").drop("search_id_right")
    if done is None:
        return pages.mutate(clicked=False, grade=0.0, weight=1.0)
    observed = done.filter(_.is_seen).select("search_id").distinct().mutate(observed=True)
    pages = pages.left_join(done, ["search_id", "doc_id"]).drop("search_id_right", "doc_id_right")
    pages = pages.left_join(observed, "search_id").drop("search_id_right")
    chosen = pages.grade.fill_null(0.0)
    is_seen = (pages.is_seen | (chosen > 0)).fill_null(False)
    return pages.select(
        *own,
        *("doc_id", "position", "rank", "probability"),
        clicked=chosen > 0,
        grade=chosen,
        weight=ibis.literal(1.0),
        seen=ibis.coalesce(pages.seen, (is_seen | pages.observed.notnull()).ifelse(is_seen, ibis.null("boolean"))),
    )
