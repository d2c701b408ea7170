"""The schedule of flushes, merges and trainings, and the thread that does them.

A write wakes the worker when the memtable is large, there are many segments, or training is due. The write itself waits
only if the documents in memory would exceed MAX_BACKLOG times the size of a flush. There is one rewriting at a time: it
takes its sources under the lock, writes without the lock, and takes the lock again for the swap, which carries over
what was deleted meanwhile. While quantizers are trained, documents arrive with codes of the old quantizers. These
documents are written too, until so few are left that the swap itself codes them anew.

If the background worker fails, the next write raises its error and changes nothing; the write after that restarts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pyarrow as pa

from alicorn.errors import AbandonedError, CollectionError
from alicorn.index.segment.building.documents import Documents
from alicorn.index.state.version import Version
from alicorn.index.writer import rewriting
from alicorn.index.writer.rewriting import Rewriting, Rewritten
from alicorn.index.writer.schema import SchemaChange
from alicorn.index.writer.training import Training
from alicorn.index.writer.version_set import VersionSet
from alicorn.index.writer.worker import Worker

FLUSH_DOCS = 50_000  # the memtable is flushed when it has more documents,
FLUSH_BYTES = 128 << 20  # or more bytes,
FLUSH_OPERATIONS = 8_192  # or the journal has more operations: an opening replays them,
DEAD_BYTES = 4 << 20  # or the journal has more bytes than this and than DEAD_SHARE times those of its live documents
DEAD_SHARE = 3
MAX_BACKLOG = 4  # flushes: at most so many wait in memory while the worker is busy
RECODED_DOCS = 1_000  # documents that a swap codes anew at most: some milliseconds


class Maintenance:
    """Call its methods under `versions.lock` unless they say otherwise."""

    def __init__(self, versions: VersionSet, *, as_shard: bool = False) -> None:
        """as_shard: quantizers stay as they are, and every write goes through the journal."""
        self._versions = versions
        self._as_shard = as_shard
        self._worker = Worker(self._work)
        self._rewriting = False
        self._generation = versions.current.generation

    def is_bulk(self, num_docs: int, num_bytes: int = 0) -> bool:
        """Whether a table of this size becomes a segment at once instead of going to the memtable."""
        return not self._as_shard and (num_docs >= FLUSH_DOCS or num_bytes >= FLUSH_BYTES)

    def make_room(self, num_docs: int, num_bytes: int) -> bool:
        """Wake the worker if these documents make a flush due -> whether the lock was released.

        Waits, without the lock, while the worker is busy and the documents in memory would be too many.
        Raises CollectionError if the worker has failed.
        """
        self.raise_failure()
        waited = False
        if self._pressure(num_docs, num_bytes) > 1:
            self._worker.wake()
        while self._pressure(num_docs, num_bytes) > MAX_BACKLOG and self._worker.busy:
            self._versions.lock.wait(0.05)
            waited = True
            self.raise_failure()
        return waited

    def wake_if_due(self) -> None:
        """Wake the worker after a write if segments should be merged, or quantizers trained."""
        if self._is_due():
            self._worker.wake()

    def raise_failure(self) -> None:
        failure = self._worker.take_failure()
        if failure is not None:
            raise CollectionError(
                f"{self._versions.path}: writing segments in the background failed, and this write was not "
                f"done; nothing acknowledged is lost. Remove the cause and write again. It was: {failure}"
            ) from failure

    def rewrite(
        self, training: Training | None = None, *, everything: bool = False, change: SchemaChange | None = None
    ) -> None:
        """Flush the memtable; merge and train if that is due. Call it without the lock.

        change: of all documents. Raises ConfigError for one that cannot be.
        """
        versions = self._versions
        with versions.lock:
            self._begin()
        try:
            with versions.lock:
                versions.publish(versions.current.switch_memtable())
                flushed = versions.journal.state.last
                if change is None:
                    training = training or self._training_due()
                    plan = rewriting.decide(versions.current, self._generation, training, everything=everything)
                else:
                    plan = rewriting.decide_change(versions.current, self._generation, change)
            unchanged = not plan.sources and flushed == versions.journal.state.flushed
            if unchanged and change is None and training is None:
                return
            done = rewriting.rewrite(plan, versions.path, self._worker.abandoned)
            while plan.training is not None or change is not None:
                with versions.lock:
                    late = versions.current.mutable.views
                    if versions.current.mutable.num_docs <= RECODED_DOCS:
                        break
                    versions.publish(versions.current.switch_memtable())
                    flushed = versions.journal.state.last
                done = rewriting.catch_up(done, late, plan, versions.path, self._worker.abandoned)
            with versions.lock:
                if change is not None:  # no row of the journal may have what is dropped, which may be added again
                    late = versions.current.mutable.views
                    versions.publish(versions.current.switch_memtable())
                    flushed = versions.journal.state.last
                    done = rewriting.catch_up(done, late, plan, versions.path, self._worker.abandoned)
                self._swap(versions.current, done, plan, flushed)
        finally:
            with versions.lock:
                self._end()

    def add(self, version: Version, arriving: Sequence[Documents], columns: pa.Schema | None = None) -> None:
        """Write documents that are too many for the memtable, together with the memtable.

        version: without the documents that are replaced. Holds the lock throughout; call `await_rewriting` first.
        """
        versions = self._versions
        self.raise_failure()
        self._begin()
        try:
            version = version.switch_memtable()
            plan = Rewriting(version.immutable.views, arriving, version.quantizers, self._generation, training=None)
            done = rewriting.rewrite(plan, versions.path, self._worker.abandoned)
            self._swap(version, done, plan, versions.journal.state.last, columns)
        finally:
            self._end()
        self.wake_if_due()

    def await_rewriting(self) -> bool:
        """Wait until no rewriting is under way -> whether there was one."""
        waited = self._rewriting
        while self._rewriting:
            self._versions.lock.wait()
        return waited

    def close(self) -> None:
        """End the worker and abandon its work; the journal keeps the documents. Call it without the lock."""
        self._worker.abandon()
        with self._versions.lock:
            self.await_rewriting()

    @property
    def is_worker(self) -> bool:
        """Whether the caller runs in the worker's thread."""
        return self._worker.is_here

    def remove_orphans(self) -> None:
        """Remove files that the manifest does not name: replaced, or left by a crash. Mapped files stay readable."""
        version = self._versions.current
        quantizers = {version.quantizer_file[0]} if version.quantizer_file else set()
        for folder, named in (("segments", set(version.checksums)), ("quantizers", quantizers)):
            for entry in (self._versions.path / folder).glob("*"):
                if entry.stem not in named:
                    with suppress(OSError):  # the next rewriting or opening tries again
                        entry.unlink()

    def _work(self) -> None:
        """The work of the worker: rewrite until nothing is due."""
        with suppress(AbandonedError):
            while not self._worker.abandoned.is_set():
                with self._versions.lock:
                    if self._pressure() <= 1 and not self._is_due():
                        return
                self.rewrite()

    def _is_due(self) -> bool:
        """Whether a merge or a training is due even if no document arrives."""
        return rewriting.is_merge_due(self._versions.current) or self._training_due() is not None

    def _training_due(self) -> Training | None:
        return rewriting.training_due(self._versions.current) if not self._as_shard else None

    def _pressure(self, num_docs: int = 0, num_bytes: int = 0) -> float:
        """How full the memtable would be with more documents; above 1, it should be flushed."""
        version, journal = self._versions.current, self._versions.journal
        state = journal.state
        journaled = min(FLUSH_BYTES, DEAD_BYTES + DEAD_SHARE * version.live_bytes_in_memory)
        return max(
            (version.num_docs_in_memory + num_docs) / FLUSH_DOCS,
            (version.num_bytes_in_memory + num_bytes) / FLUSH_BYTES,
            (state.last - state.flushed + 1) / FLUSH_OPERATIONS,
            journal.num_bytes / journaled,
        )

    def _begin(self) -> None:
        self.await_rewriting()
        self._versions.roll_forward()
        self._rewriting = True
        self._generation += 1

    def _end(self) -> None:
        """End a rewriting, also a failed one: make the immutable memtable mutable, and remove unfinished files."""
        self._versions.roll_forward()
        self._versions.publish(self._versions.current.restore_memtable())
        self.remove_orphans()
        self._rewriting = False
        self._versions.lock.notify_all()

    def _swap(
        self, version: Version, done: Rewritten, plan: Rewriting, flushed: int, columns: pa.Schema | None = None
    ) -> None:
        version = rewriting.swapped(version, done, plan)
        records, declared = version.segment_records(), None
        if plan.change is not None:
            columns, declared = version.columns, (version.declared(), version.positions)
        with self._versions.changing():
            self._versions.journal.swap(plan.generation, records, version.quantizer_file, flushed, columns, declared)
            self._versions.publish(version)
        self._worker.take_failure()  # its cause is gone
