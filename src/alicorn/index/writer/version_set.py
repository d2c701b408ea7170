"""The current version of an open collection, and the lock under which it is replaced."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alicorn.index.durability.journal import Journal
from alicorn.index.state.loading import load
from alicorn.index.state.version import Version


class VersionSet:
    """Read `snapshot` without the lock; read and change everything else under `lock`, a re-entrant condition.

    The manifest and the version change within `changing`. If an interrupt such as Ctrl-C separates the two, the next
    change first loads the version in the manifest.
    """

    def __init__(self, path: Path, journal: Journal) -> None:
        self.path = path
        self.journal = journal
        self.lock = threading.Condition()
        self._seen = journal.data_version()
        self._matches_manifest = True
        self.publish(load(journal, path))

    def publish(self, version: Version) -> None:
        """Make a version and its snapshot current: one assignment."""
        self.current = version
        self._applied = self.journal.state.last
        self.snapshot = version.snapshot(self.journal.state.commits)

    def refresh(self) -> bool:
        """Load what another process has committed -> whether there was anything."""
        data_version = self.journal.data_version()
        if data_version == self._seen:
            return False
        self.publish(load(self.journal, self.path, self.current, self._applied))
        self._seen = data_version
        return True

    @contextmanager
    def changing(self) -> Iterator[None]:
        self.roll_forward()
        self._matches_manifest = False
        yield
        self._matches_manifest = True

    def roll_forward(self) -> None:
        """Load the version in the manifest if a change was interrupted."""
        if not self._matches_manifest:
            self.journal.roll_back()
            self.publish(load(self.journal, self.path, self.current, self._applied))
            self._matches_manifest = True
