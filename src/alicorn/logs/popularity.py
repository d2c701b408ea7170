"""How often was each document clicked? Counted on the training split only."""

import ibis
from ibis import _


def popularity(documents: ibis.Table, clicks: ibis.Table, searches: ibis.Table) -> ibis.Table:
    """doc_id and clicks (searches of train that chose it) for every document, those never clicked included.

    clicks: pairs; searches: has search_id and split.
    """
    counted = (
        clicks.semi_join(searches.filter(_.split == "train"), "search_id")
        .group_by("doc_id")
        .aggregate(clicks=_.count())
    )
    return documents.left_join(counted, "doc_id").select("doc_id", clicks=_.clicks.fill_null(0).cast("int64"))
