"""Positives: a document that was right for a search, from one of three sources (EBR 2.4 and 6.1).

clicks           shown and chosen: clicked, or of a grade above 0
shown            every document shown: positives by exposure, as many users of a production engine have them
reached          failed searches: what the searcher reached another way, soon after a search without a click;
                 vertical/failed_searches.py says which of these count as hard positives

Each function takes and gives Ibis tables; a pair is a row (search_id, doc_id, ...), never twice.

Beside them are the non-clicks: shown, not chosen, in a search that has a click. They look like the right answer and are
not. Alone they are bad negatives: recall for people falls by about 55 % (EBR 2.4), because most documents of an index
are nowhere near. Use them in a later, harder stage.
"""

from collections.abc import Sequence

import ibis
from ibis import _

from alicorn.logs.splits import Boundaries


def shown(impressions: ibis.Table) -> ibis.Table:
    """Each document of each search once: the first position, the greatest grade and weight, and whether it was seen."""
    return (
        impressions.filter(_.doc_id.notnull())
        .group_by("search_id", "doc_id")
        .aggregate(grade=_.grade.max(), weight=_.weight.max(), position=_.position.min(), seen=_.seen.max())
    )


def clicks(shown: ibis.Table) -> ibis.Table:
    """The pairs of `shown` that were chosen."""
    return shown.filter(_.grade > 0)


def by_rank(position: ibis.Column, weights: Sequence[float]) -> ibis.Value:
    """What each row has of the weights of ranks 1, 2, ...; a further rank has the last one. Without weights 1."""
    if not weights:
        return ibis.literal(1.0)
    cases = [(position == rank, ibis.literal(weight)) for rank, weight in enumerate(weights, start=1)]
    return ibis.cases(*cases, else_=ibis.literal(weights[-1]))


def non_clicks(shown: ibis.Table) -> ibis.Table:
    """The pairs of `shown` that were not chosen, of searches where another one was. Unseen, they would say nothing."""
    with_click = shown.filter(_.grade > 0).select("search_id").distinct()
    return shown.filter((_.grade == 0) & _.seen.fill_null(True)).semi_join(with_click, "search_id")


def reached(searches: ibis.Table, activity: ibis.Table, window_s: int) -> ibis.Table:
    """Documents that the searcher of a search without a click reached another way, at most `window_s` seconds after.

    Returns a row per (search_id, doc_id): query, search_time, reached (the first time), reached_after_s, reached_rank
    (1 for the first document; equal times share a rank) and earlier_visits (by this searcher, before the search).
    """
    failed = searches.filter((_.num_clicked == 0) & _.searcher_id.notnull())
    failed = failed.select("search_id", "query", who="searcher_id", search_time="time")
    visits = activity.select("searcher_id", "doc_id", visited="time")
    after = failed.join(
        visits,
        [
            failed.who == visits.searcher_id,
            visits.visited >= failed.search_time,
            visits.visited <= failed.search_time + ibis.interval(seconds=window_s),
        ],
    )
    first = after.group_by("search_id", "doc_id", "who", "query", "search_time").aggregate(reached=_.visited.min())
    return _with_earlier_visits(first, visits).mutate(
        reached_after_s=_.reached.delta(_.search_time, unit="microsecond") / 1e6,
        reached_rank=(ibis.rank().over(group_by="search_id", order_by="reached") + 1).cast("int32"),
    )


def _with_earlier_visits(pairs: ibis.Table, visits: ibis.Table) -> ibis.Table:
    earlier = pairs.join(
        visits,
        [pairs.who == visits.searcher_id, pairs.doc_id == visits.doc_id, visits.visited < pairs.search_time],
    )
    counted = earlier.group_by("search_id", "doc_id").aggregate(count=_.visited.count())
    joined = pairs.left_join(counted, ["search_id", "doc_id"])
    return joined.select(
        "search_id", "doc_id", "query", "search_time", "reached", earlier_visits=_["count"].fill_null(0).cast("int32")
    )


def before_split_ends(reached: ibis.Table, boundaries: Boundaries) -> ibis.Table:
    """Those reached before the split of their search ends, where splits are by time: a later one would show training
    what happens after it."""
    end = boundaries.end_of_split(reached.search_time)
    return reached.filter(end.isnull() | (reached.reached < end))
