"""What a searcher had chosen for the same words before: by this an easy repeat is known (vertical/selection/)."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from alicorn.pairs import PairsFolder
from alicorn.text import words

Choice = tuple[int, str]
"""When, in microseconds since 1970, and the document."""


_DAY_US = 86_400_000_000


def chosen_within(earlier: Sequence[Choice], time_us: int) -> Callable[[float], Sequence[str]]:
    """What was chosen in so many days before a search. time_us: of the search."""
    return lambda days: [doc_id for time, doc_id in earlier if time >= time_us - days * _DAY_US]


def earlier_choices(folder: PairsFolder, searches: pa.Table) -> list[list[Choice]]:
    """Of each of `searches`, the clicks of its searcher on answers to the same words, all before it; of nobody none.

    searches: searcher_id, query, time. The pairs of all splits are read.
    """
    pairs = folder.read("pairs")
    of_these = pc.is_in(pairs["searcher_id"], searches["searcher_id"].drop_null())
    clicks = pairs.filter(pc.and_(pc.equal(pairs["source"], "click"), pc.fill_null(of_these, False)))
    chosen: dict[tuple[str, ...], list[Choice]] = {}
    for searcher, query, time, doc_id in _rows(clicks, "searcher_id", "query", "time", "doc_id"):
        chosen.setdefault((searcher, *words(query)), []).append((time, doc_id))
    found = []
    for searcher, query, now in _rows(searches, "searcher_id", "query", "time"):
        before = chosen.get((searcher, *words(query)), []) if searcher is not None else []
        found.append([choice for choice in before if choice[0] < now])
    return found


def _rows(table: pa.Table, *names: str) -> Sequence[tuple[Any, ...]]:
    columns = [table[name].cast(pa.int64()) if name == "time" else table[name] for name in names]
    return list(zip(*(column.to_pylist() for column in columns), strict=True))
