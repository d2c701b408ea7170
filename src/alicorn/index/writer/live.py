"""The contents of an open collection, and the lock under which they change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alicorn.index.durability.journal import Journal
from alicorn.index.state.contents import Contents
from alicorn.index.state.loading import load


class Live:
    """`snapshot` is read without the lock; all else is read and changed under `lock`, a re-entrant condition.

    A change of the manifest and of the contents is made within `changing`. When something comes between the two, as
    Ctrl-C may, the next change first brings the contents to what the manifest says.
    """

    def __init__(self, path: Path, journal: Journal) -> None:
        self.path = path
        self.journal = journal
        self.lock = threading.Condition()
        self._seen = journal.data_version()
        self._is_current = True
        self.publish(load(journal, path))

    def publish(self, contents: Contents) -> None:
        """One assignment makes the new snapshot current."""
        self.contents = contents
        self._applied = self.journal.state.last
        self.snapshot = contents.snapshot(self.journal.state.commits)

    def refresh(self) -> bool:
        """Pick up what another process committed -> whether there was anything."""
        version = self.journal.data_version()
        if version == self._seen:
            return False
        self.publish(load(self.journal, self.path, self.contents, self._applied))
        self._seen = version
        return True

    @contextmanager
    def changing(self) -> Iterator[None]:
        self.roll_forward()
        self._is_current = False
        yield
        self._is_current = True

    def roll_forward(self) -> None:
        """Bring the contents to what the manifest says, where a change was cut short."""
        if not self._is_current:
            self.journal.roll_back()
            self.publish(load(self.journal, self.path, self.contents, self._applied))
            self._is_current = True
