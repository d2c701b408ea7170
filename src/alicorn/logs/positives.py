"""Positives: a document that was right for a search. Three sources (papers.md 1.3), called by mine.py.

clicks           shown and chosen
shown            every document shown: positives by exposure, as many users of a production engine have them
hard positives   failed searches: what the searcher reached another way, soon after a search without a click

Each function takes and gives Ibis tables; a pair is a row (session_id, doc_id, ...), never twice.
"""

import ibis
from ibis import _

from alicorn.logs.splits import Boundaries


def shown(impressions: ibis.Table) -> ibis.Table:
    """Each document of each search once: session_id, doc_id, clicked (in any of its rows), position (the first)."""
    return (
        impressions.filter(_.doc_id.notnull())
        .group_by("session_id", "doc_id")
        .aggregate(clicked=_.clicked.any(), position=_.position.min())
    )


def clicks(shown: ibis.Table) -> ibis.Table:
    """The pairs of `shown` that were clicked."""
    return shown.filter(_.clicked)


def failed_activity(searches: ibis.Table, activity: ibis.Table, window_s: int) -> ibis.Table:
    """The first document(s) reached by the searcher of a search without a click, at most `window_s` seconds after it.

    Several documents at the same first moment all count. Returns session_id, doc_id, reached (time of the activity),
    search_time.
    """
    failed = searches.filter((_.num_clicked == 0) & _.searcher_id.notnull())
    failed = failed.select("session_id", "searcher_id", search_time="time")
    reached = activity.select("searcher_id", "doc_id", reached="time")
    pairs = failed.join(
        reached,
        [
            failed.searcher_id == reached.searcher_id,
            reached.reached >= failed.search_time,
            reached.reached <= failed.search_time + ibis.interval(seconds=window_s),
        ],
    )
    first = pairs.mutate(first=_.reached.min().over(group_by="session_id")).filter(_.reached == _.first)
    return first.select("session_id", "doc_id", "reached", "search_time").distinct()


def hard_positives(failed_activity: ibis.Table, boundaries: Boundaries) -> ibis.Table:
    """Those reached before the split of their search ends: a later one would show training what happens after it."""
    end = boundaries.end_of_split(failed_activity.search_time)
    return failed_activity.filter(end.isnull() | (failed_activity.reached < end)).select("session_id", "doc_id")
