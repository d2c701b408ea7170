"""What was known at the time of a search beside its query: columns of the log itself, and the searcher as of then."""

from collections.abc import Sequence

import ibis
from ibis import _

from alicorn.vertical.requests import AS_OF


def context(impressions: ibis.Table, columns: Sequence[str]) -> ibis.Table:
    """search_id and the columns, on which the rows of a search agree; a row per search, in the order of search_id."""
    kept = {name: _[name].arbitrary() for name in columns}
    return impressions.group_by("search_id").aggregate(**kept).order_by("search_id")


def searches_before_their_searcher(searches: ibis.Table, searchers: ibis.Table | None) -> dict[str, int]:
    """How many searches are before the first row of their searcher, of whom nothing is known then."""
    if searchers is None or AS_OF not in searchers.columns:
        return {}
    first = searchers.group_by("searcher_id").aggregate(first=_[AS_OF].min())
    early = searches.join(first, "searcher_id").filter(_.time < _.first)
    return {"searches_before_their_searcher": early.count().to_pyarrow().as_py()}
