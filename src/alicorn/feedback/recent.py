"""The newest searches of a served log with the documents that were clicked, whichever process served them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from alicorn.feedback.journal import Journaled, read_journal
from alicorn.feedback.served import SEARCHES

CLICK = "click"


@dataclass(frozen=True)
class LoggedSearch:
    """A search by text as it was logged. context: what is known of it, by column. clicked: doc_ids."""

    search_id: str
    query: str
    searcher_id: str | None
    context: Mapping[str, Any]
    clicked: frozenset[str] = frozenset()


def recent_searches(folder: Path, count: int) -> list[LoggedSearch]:
    """The newest first, at most `count`. Raises CorruptionError for a journal that cannot be read."""
    found: list[LoggedSearch] = []
    clicked: dict[str, set[str]] = defaultdict(set)
    for searches, clicks in _newest_first(folder):
        for search_id, doc_id in clicks:
            clicked[search_id].add(doc_id)
        found += searches
        if len(found) >= count:
            break
    return [replace(search, clicked=frozenset(clicked[search.search_id])) for search in found[:count]]


def _newest_first(folder: Path) -> Iterator[tuple[list[LoggedSearch], list[tuple[str, str]]]]:
    """Searches and clicks of each journal, then of each part, the newest first. Clicks are later than their search."""
    numbers = {
        path.stem.partition("-")[2] for name in ("searches", "events") for path in (folder / name).glob("part-*")
    }
    for path in sorted(folder.glob("journal-*.jsonl"), reverse=True):
        try:
            found = read_journal(path)
        except FileNotFoundError:
            continue  # it has just become parts
        numbers.discard(path.stem.partition("-")[2])
        yield _journaled(found)
    for number in sorted(numbers, reverse=True):
        yield _searches(folder / "searches", number), _clicks(folder / "events", number)


def _journaled(found: Journaled) -> tuple[list[LoggedSearch], list[tuple[str, str]]]:
    asked = [LoggedSearch(one.search_id, one.query, one.searcher_id, one.context) for one in reversed(found.searches)]
    clicks = [(one.search_id, one.doc_id) for one in found.events if one.action == CLICK]
    return asked, [(search_id, doc_id) for search_id, doc_id in clicks if search_id and doc_id]


def _searches(folder: Path, number: str) -> list[LoggedSearch]:
    path = folder / f"part-{number}.parquet"
    if not path.exists():
        return []
    names = pq.read_schema(path).names
    context = [name for name in names if name not in SEARCHES.names]
    rows = pq.read_table(path, columns=["search_id", "query", "searcher_id", *context]).to_pylist()[::-1]
    return [LoggedSearch(row["search_id"], row["query"], row["searcher_id"], _known(row, context)) for row in rows]


def _known(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if row[name] is not None}


def _clicks(folder: Path, number: str) -> list[tuple[str, str]]:
    path = folder / f"part-{number}.parquet"
    if not path.exists():
        return []
    rows = pq.read_table(path, columns=["search_id", "doc_id", "action"]).to_pylist()
    return [(row["search_id"], row["doc_id"]) for row in rows if row["action"] == CLICK and row["search_id"]]
