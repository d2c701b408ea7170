"""The searches of a served log that are not in a part file yet, kept in a file over a crash.

    open-<number>.jsonl    one JSON array per line, in the order of events
        ["search", search_id, searcher_id or null, time in microseconds since 1970 UTC, query, source, [doc_id, ...],
         {column of the context: value}]
        ["click", search_id, doc_id]

Every event is handed to the operating system before it is acknowledged: the end of the process loses nothing, the end
of the machine at most the last seconds. A last line without its end is an event that was never acknowledged.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alicorn.errors import CorruptionError


@dataclass
class ServedSearch:
    """One search, what it showed in order, and what was chosen.

    time_us: microseconds since 1970, UTC. context: JSON values by column. since_s: since when it waits for clicks, by
    the clock of this process that nobody sets; it is not in the journal.
    """

    search_id: str
    searcher_id: str | None
    time_us: int
    query: str
    source: str
    doc_ids: list[str]
    context: Mapping[str, Any] = field(default_factory=dict)
    clicked: set[str] = field(default_factory=set)
    since_s: float = field(default=0.0, compare=False)

    @property
    def num_rows(self) -> int:
        """Rows of `impressions`: a search that showed nothing has one."""
        return max(len(self.doc_ids), 1)


class EventJournal:
    """One journal file, open for appending."""

    def __init__(self, path: Path, searches: Iterable[ServedSearch] = ()) -> None:
        """A new journal that begins with these searches; it has its name once they are all in it."""
        self.path = path
        lines = "".join(line for search in searches for line in _lines_of(search))
        temporary = path.with_suffix(".creating")
        self._file = temporary.open("wb", buffering=0)  # a forked child has nothing left to write
        self._append(lines)
        os.fsync(self._file.fileno())
        os.replace(temporary, path)

    def search(self, search: ServedSearch) -> None:
        self._append("".join(_lines_of(search)))

    def click(self, search_id: str, doc_id: str) -> None:
        self._append(_line("click", search_id, doc_id))

    def close(self) -> None:
        self._file.close()

    def _append(self, text: str) -> None:
        left = memoryview(text.encode())
        while left:
            left = left[self._file.write(left) :]


def read_journal(path: Path) -> list[ServedSearch]:
    """The searches of a journal, with their clicks. Raises CorruptionError for a line that cannot be read."""
    searches: dict[str, ServedSearch] = {}
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            event = json.loads(line)
            if event[0] == "search":
                searches[event[1]] = ServedSearch(*event[1:])
            else:
                searches[event[1]].clicked.add(event[2])
        except (ValueError, TypeError, LookupError) as error:
            raise CorruptionError(
                f"{path} line {number} is no event of a served log: move the file away to go on without its searches"
            ) from error
    return list(searches.values())


def _lines_of(search: ServedSearch) -> list[str]:
    served = (search.search_id, search.searcher_id, search.time_us, search.query, search.source, search.doc_ids)
    clicks = [_line("click", search.search_id, doc_id) for doc_id in search.doc_ids if doc_id in search.clicked]
    return [_line("search", *served, dict(search.context)), *clicks]


def _line(*event: object) -> str:
    return json.dumps(event, allow_nan=False) + "\n"
