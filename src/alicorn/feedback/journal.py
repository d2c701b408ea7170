"""What was served and reported and is in no part file yet, kept in a file over a crash.

    journal-<number>.jsonl    one JSON array per line, in the order in which they came:
                              ["search", {fields of ServedSearch}] or ["event", {fields of ServedEvent}]

Every line is handed to the operating system before it is acknowledged: the end of the process loses nothing, the end
of the machine at most the last seconds. A last line without its end was never acknowledged. The process that writes a
journal holds a lock on it; a journal without one was left over by a process that ended.
"""

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from alicorn.errors import CorruptionError
from alicorn.feedback.served import ServedEvent, ServedSearch
from alicorn.processes import forget_in_children

_JSON = json.JSONEncoder(allow_nan=False)


class EventJournal:
    """One journal file, locked."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.num_rows = 0
        self.is_inherited = False
        self._descriptor: int | None = descriptor
        forget_in_children(self)

    @classmethod
    def create(cls, folder: Path) -> "EventJournal":
        """A new one, whose number is later than that of all before it. It has its name once it is locked."""
        name = f"journal-{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        creating = folder / f"{name}.creating"
        descriptor = os.open(creating, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.replace(creating, path := folder / f"{name}.jsonl")
        return cls(path, descriptor)

    @property
    def number(self) -> str:
        """What its part files are called by."""
        return self.path.stem.removeprefix("journal-")

    def append(self, rows: Sequence[ServedSearch | ServedEvent]) -> None:
        """All of them or, where the disk is full, an OSError."""
        assert self._descriptor is not None
        left = memoryview("".join(_line(row) for row in rows).encode())
        while left:
            left = left[os.write(self._descriptor, left) :]
        self.num_rows += sum(row.num_rows if isinstance(row, ServedSearch) else 1 for row in rows)

    def remove(self) -> None:
        """Its rows are in part files."""
        self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let go of it; whoever locks it next takes it over."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.release()

    def forget(self) -> None:
        """In a forked child."""
        self.release()
        self.is_inherited = True


class Journaled(NamedTuple):
    searches: list[ServedSearch]
    events: list[ServedEvent]


def left_over(folder: Path) -> Iterator[EventJournal]:
    """The journals that no process holds any more, locked, the oldest first."""
    for path in sorted(folder.glob("journal-*.jsonl")):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another process has just finished it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        journal = EventJournal(path, descriptor)
        if path.exists():
            yield journal
        else:
            journal.release()


def read_journal(path: Path) -> Journaled:
    """What a journal holds. Raises CorruptionError for a line that cannot be read."""
    found = Journaled([], [])
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            kind, fields = json.loads(line)
            if kind == "search":
                found.searches.append(ServedSearch(**fields))
            else:
                found.events.append(ServedEvent(**fields))
        except (ValueError, TypeError) as error:
            raise CorruptionError(
                f"{path} line {number} is neither a search nor an event of a served log: move the file away to go on "
                "without what it holds"
            ) from error
    return found


def _line(row: ServedSearch | ServedEvent) -> str:
    fields: dict[str, Any] = {name: value for name, value in vars(row).items() if value is not None}
    kind = "search" if isinstance(row, ServedSearch) else "event"
    return _JSON.encode([kind, fields]) + "\n"
