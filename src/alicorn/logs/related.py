"""Which documents are chosen with a document? Item to item, from what searchers chose; the verb `alicorn related`.

    swing            sum over pairs of searchers u, v who chose both documents of w_u w_v / (1 + |I_u and I_v|), where
                     I_u is what u chose and w_u = 1 / sqrt(|I_u|): people who have little else in common say more.
                     Source: Yang et al., "Large Scale Product Graph Construction for Recommendation in E-commerce",
                     2020, on Taobao; its alpha is 1 here
    co-occurrence    searchers who chose both, over the root of the product of those who chose each: the cosine

A choice is a click or another action with a grade, and every row of activity. Of a searcher the newest choices count,
and of a document so many searchers, picked by hash: both bound the pairs. DuckDB counts, within its memory.
"""

from pathlib import Path
from typing import Literal

import ibis
from ibis import _

from alicorn.folders import check_file, whole_file
from alicorn.logs.tables import MEMORY_LIMIT, Logs, read_logs
from alicorn.vertical import Vertical

Relatedness = Literal["swing", "co-occurrence"]

_CHOICES = 100  # of a searcher
_SEARCHERS = 200  # of a document, for swing: up to 20,000 pairs of them each
_ALPHA = 1.0


def write_related(
    folder: str | Path,
    vertical: Vertical,
    out: Path,
    by: Relatedness = "swing",
    count: int = 50,
    memory_limit: str = MEMORY_LIMIT,
    *,
    overwrite: bool = False,
) -> dict[str, int]:
    """Write a Parquet file: doc_id, and `related`, the ids of at most `count` documents, the most related first.

    It is a table for `alicorn update`: the stored column `related` is what `(extract related ...)` follows. Documents
    without any have no row. Raises ConfigError as `whole_file`, TableError as `read_logs` does.
    """
    check_file(out, overwrite=overwrite)
    with read_logs(folder, vertical, memory_limit=memory_limit) as logs, whole_file(out, overwrite=overwrite) as place:
        found = logs.keep("related", related(logs, choices(logs), by, count))
        found.order_by("doc_id").to_parquet(place)
        totals = found.aggregate(documents=_.count(), related=_.related.length().sum()).to_pyarrow().to_pylist()[0]
    return {"documents": totals["documents"], "related": totals["related"] or 0}


def choices(logs: Logs) -> ibis.Table:
    """Each document that a known searcher chose, once: searcher_id, doc_id, time (the last)."""
    chosen = logs.impressions.filter((_.grade > 0) & _.searcher_id.notnull() & _.doc_id.notnull())
    every = chosen.select("searcher_id", "doc_id", "time")
    if logs.activity is not None:
        every = every.union(logs.activity.select("searcher_id", "doc_id", "time"))
    return every.group_by("searcher_id", "doc_id").aggregate(time=_.time.max())


def related(logs: Logs, chosen: ibis.Table, by: Relatedness, count: int) -> ibis.Table:
    """doc_id, related: list of ids. chosen: as of `choices`."""
    newest = ibis.row_number().over(group_by="searcher_id", order_by=[_.time.desc(), _.doc_id])
    numbered = chosen.mutate(at=newest).filter(_["at"] < _CHOICES).drop("at", "time")
    held = logs.keep(f"chosen for {by}", _numbered(numbered))
    scored = logs.keep(f"scored by {by}", _swing(logs, held) if by == "swing" else _co_occurrence(held))
    both = scored.select("i", "j", "score").union(scored.select(i="j", j="i", score="score"))
    documents = held.select("i", "doc_id").distinct()
    named = both.join(documents.select(j="i", other="doc_id"), "j")
    rank = ibis.row_number().over(group_by="i", order_by=[_.score.desc(), _.other])
    best = named.mutate(rank=rank).filter(_["rank"] < count)
    lists = best.group_by("i").aggregate(related=_.other.collect(order_by=_["rank"]))
    return lists.join(documents, "i").select("doc_id", "related")


def _numbered(chosen: ibis.Table) -> ibis.Table:
    """With small numbers: u of the searcher, i of the document; and how many each has."""
    counted = chosen.mutate(
        u=ibis.dense_rank().over(order_by="searcher_id"),
        i=ibis.dense_rank().over(order_by="doc_id"),
    )
    of_u = counted.group_by("u").aggregate(num_chosen=_.count())
    of_i = counted.group_by("i").aggregate(num_searchers=_.count())
    return counted.join(of_u, "u").join(of_i, "i").select("u", "i", "doc_id", "num_chosen", "num_searchers")


def _co_occurrence(held: ibis.Table) -> ibis.Table:
    """i < j and their score."""
    other = held.select("u", j="i", num_others="num_searchers")
    pairs = held.join(other, "u").filter(_.i < _.j)
    counted = pairs.group_by("i", "j").aggregate(both=_.count(), first=_.num_searchers.max(), second=_.num_others.max())
    return counted.select("i", "j", score=_.both / (_.first * _.second).cast("float64").sqrt())


def _swing(logs: Logs, held: ibis.Table) -> ibis.Table:
    """i < j and their score."""
    picked = ibis.row_number().over(group_by="i", order_by=[(_.u * 2_654_435_761 + _.i * 40_503) % 4_294_967_296, _.u])
    some = held.mutate(at=picked).filter((_["at"] < _SEARCHERS) & (_.num_chosen > 1)).select("u", "i", "num_chosen")
    some = logs.keep("some_choices", some)
    other = some.select("i", v="u", num_other="num_chosen")
    shared = some.join(other, "i").filter(_.u < _.v).group_by("u", "v")
    people = shared.aggregate(
        items=_.i.collect(order_by=_.i), common=_.count(), weight=(1.0 / (_.num_chosen * _.num_other).sqrt()).max()
    ).filter(_.common > 1)
    pairs = logs.keep("people", people.mutate(swing=_.weight / (_ALPHA + _.common)).select("items", "swing"))
    first = pairs.mutate(i=_["items"].unnest()).mutate(j=_["items"].unnest()).filter(_.i < _.j)
    return first.group_by("i", "j").aggregate(score=_.swing.sum())
