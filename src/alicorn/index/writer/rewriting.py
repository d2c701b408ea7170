"""The rewriting of segments by a flush, a merge or a training: its plan, its writing, its swap.

The memtable, arriving documents and the disk segments that are due for a merge become one segment. After a training
every segment is rewritten. `decide` and `swapped` are short and run under the store's lock. `rewrite` is long and runs
without the lock, so documents may be deleted, replaced and added meanwhile:

    decide(version)  -> Rewriting    which views are the sources
    rewrite(plan)     -> Rewritten    new files that nothing refers to yet
    swapped(version) -> Version     the current version with the new files for the sources, without what was deleted
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn.errors import AbandonedError, CollectionError, cause
from alicorn.index.segment.building.documents import Documents
from alicorn.index.segment.building.tiers import smallest_to_merge
from alicorn.index.segment.files.quantizer_file import quantizer_path, write_quantizers
from alicorn.index.segment.files.segment_file import open_segment, segment_path, write_segment
from alicorn.index.segment.parts.doc_ids import hash_ids
from alicorn.index.segment.snapshot import SegmentView, discard
from alicorn.index.state.memtable import Memtable
from alicorn.index.state.version import Version
from alicorn.index.writer import training as training_rules
from alicorn.index.writer.checks.documents import PIECE_BYTES
from alicorn.index.writer.schema import SchemaChange
from alicorn.index.writer.training import Training
from alicorn.quantization import KeyQuantizer

MAX_MERGED_DOCS = 1_000_000  # larger segments are not merged automatically, so that a flush is short


@dataclass(frozen=True, eq=False)
class Rewriting:
    """sources: the views, on disk or immutable, to rewrite; arriving: documents that are in no view yet;
    generation: part of the names of the new files; training: None if the quantizers stay; change: of all documents.
    """

    sources: tuple[SegmentView, ...]
    arriving: Sequence[Documents]
    quantizers: Mapping[str, KeyQuantizer]
    generation: int
    training: Training | None
    change: SchemaChange | None = None


@dataclass(frozen=True, eq=False)
class Replacement:
    """Segments that hold the live documents of their sources, as they were when the sources were read."""

    sources: tuple[SegmentView, ...]
    written: tuple[SegmentView, ...]


@dataclass(frozen=True, eq=False)
class Rewritten:
    """replacements: the first replaces the plan's sources, each further one the documents of one catch_up; an id in
    two of them was replaced meanwhile. checksums: of each file written; quantizer_file: name and checksum, if new."""

    replacements: tuple[Replacement, ...]
    checksums: Mapping[str, str]
    quantizers: Mapping[str, KeyQuantizer]
    quantizer_file: tuple[str, str] | None


def decide(version: Version, generation: int, training: Training | None, *, everything: bool) -> Rewriting:
    """Plan to rewrite the immutable memtable and the disk segments that are due. training: None: quantizers stay."""
    live = tuple(view for view in version.disk if view.num_live)
    immutable = tuple(view for view in version.immutable.views if view.num_live)
    merged = live if training or everything else _due_for_merge(live, sum(view.num_live for view in immutable))
    if everything and not training and not immutable and len(merged) == 1 and merged[0].deleted is None:
        merged = ()  # one whole segment already
    return Rewriting(immutable + merged, (), version.quantizers, generation, training)


def decide_change(version: Version, generation: int, change: SchemaChange) -> Rewriting:
    """Plan to rewrite all documents. Raises ConfigError for a change that cannot be."""
    change.check(version)
    live = tuple(view for view in (*version.immutable.views, *version.disk) if view.num_live)
    others = {name: quantizer for name, quantizer in version.quantizers.items() if name not in change.keys}
    return Rewriting(live, (), others, generation, None, change)


def is_merge_due(version: Version) -> bool:
    return bool(_due_for_merge(tuple(view for view in version.disk if view.num_live), 0))


def training_due(version: Version) -> Training | None:
    """The training that the number of vectors makes due."""
    counts = dict.fromkeys(version.quantizers, 0)
    for view in (*version.disk, *version.immutable.views, *version.mutable.views):
        for key, block in view.segment.embeddings.items():
            counts[key] += len(block.docs)
    keys = training_rules.due(counts, version.quantizers)
    return Training(keys) if keys else None


def _due_for_merge(live: Sequence[SegmentView], num_arriving: int) -> tuple[SegmentView, ...]:
    """The segments to merge: by size (tiers.py), and those with most documents deleted."""
    small = [
        view for view in live if view.num_live <= MAX_MERGED_DOCS and view.segment.fields.nbytes <= PIECE_BYTES // 2
    ]
    due = smallest_to_merge([view.num_live for view in small] + ([num_arriving] if num_arriving else []))
    chosen = [small[i] for i in due if i < len(small)]
    chosen += [view for view in live if 2 * view.num_live < view.segment.num_docs and view not in chosen]
    return tuple(chosen)


def rewrite(plan: Rewriting, path: Path, abandoned: threading.Event) -> Rewritten:
    """Write the new files, durably. Raises CollectionError when they cannot be written, AbandonedError."""
    pending = [*_documents_of(plan, plan.sources), *plan.arriving]
    done = Rewritten((), {}, plan.quantizers, None)
    if not plan.training:
        done = _with_segments(done, plan.sources, pending, plan.generation, path, abandoned)
        if plan.change is None or not plan.change.keys:
            return done
        return _with_quantizers(done, plan.quantizers, plan.generation, path)
    trained = training_rules.train(pending, plan.quantizers, plan.generation, plan.training)
    _go_on(abandoned)
    done = _with_segments(replace(done, quantizers=trained), plan.sources, pending, plan.generation, path, abandoned)
    segments = [view.segment for view in done.replacements[0].written]
    quantizers = training_rules.calibrated(segments, trained, plan.generation)
    written = tuple(SegmentView(segment.with_quantizers(quantizers)) for segment in segments)
    done = replace(done, replacements=(replace(done.replacements[0], written=written),))
    _go_on(abandoned)
    return _with_quantizers(done, quantizers, plan.generation, path)


def _documents_of(plan: Rewriting, views: Sequence[SegmentView]) -> list[Documents]:
    """The live documents of some views, changed as the plan says."""
    documents = [Documents.of_segment(view.segment, view.deleted) for view in views if view.num_live]
    return documents if plan.change is None else [plan.change.documents(one) for one in documents]


def _with_quantizers(done: Rewritten, quantizers: Mapping[str, KeyQuantizer], generation: int, path: Path) -> Rewritten:
    """The same, with a new file of quantizers."""
    name = f"{generation:08d}"
    with reported_writing(path):
        checksum = write_quantizers(quantizers, quantizer_path(path, name))
    return replace(done, quantizers=quantizers, quantizer_file=(name, checksum))


def catch_up(
    done: Rewritten, late: tuple[SegmentView, ...], plan: Rewriting, path: Path, abandoned: threading.Event
) -> Rewritten:
    """The same, with segments of the documents that the memtable got meanwhile."""
    return _with_segments(done, late, _documents_of(plan, late), plan.generation, path, abandoned)


def swapped(version: Version, done: Rewritten, plan: Rewriting) -> Version:
    """The version with the new files in place of their sources."""
    current = {id(view.segment): view for view in (*version.disk, *version.immutable.views)}
    arrived: list[SegmentView] = []
    for replacement in done.replacements:
        written = replacement.written
        for source in replacement.sources:
            gone = _deleted_since(source, current.pop(id(source.segment)))
            if len(gone):
                written, _ = discard(written, gone, hash_ids(gone))
        arrived += written
    kept = [view for view in version.disk if id(view.segment) in current]
    disk = tuple(view for view in (*kept, *arrived) if view.num_live)
    checksums = {**version.checksums, **done.checksums}
    retrained = done.quantizer_file is not None
    return replace(
        version if plan.change is None else plan.change.version(version),
        embeddings={key: one.dim for key, one in done.quantizers.items()},
        quantizers=done.quantizers,
        quantizer_file=done.quantizer_file or version.quantizer_file,
        checksums={str(view.segment.name): checksums[str(view.segment.name)] for view in disk},
        generation=plan.generation,
        disk=disk,
        immutable=Memtable(),
        mutable=version.mutable.coded_by(done.quantizers) if retrained else version.mutable,
    )


def _deleted_since(source: SegmentView, now: SegmentView) -> pa.StringArray:
    """The ids that were live when `source` was read and are deleted now."""
    if now.deleted is None or now.deleted is source.deleted:
        return pa.array([], pa.string())
    gone = now.deleted if source.deleted is None else now.deleted & ~source.deleted
    return source.segment.doc_ids.take(pa.array(np.flatnonzero(gone)))


def _with_segments(
    done: Rewritten,
    sources: tuple[SegmentView, ...],
    pending: Sequence[Documents],
    generation: int,
    path: Path,
    abandoned: threading.Event,
) -> Rewritten:
    written: list[SegmentView] = []
    checksums = dict(done.checksums)
    for group in groups(pending):
        _go_on(abandoned)
        name = f"{generation:08d}-{len(checksums)}"
        with reported_writing(path):
            checksums[name] = write_segment(group, done.quantizers, segment_path(path, name), lambda: _go_on(abandoned))
        written.append(SegmentView(open_segment(segment_path(path, name), checksums[name], done.quantizers)))
    replacement = Replacement(sources, tuple(written))
    return replace(done, replacements=(*done.replacements, replacement), checksums=checksums)


def groups(sources: Sequence[Documents]) -> list[list[Documents]]:
    """The sources, grouped by new segment: as few groups as the limit on stored bytes allows."""
    groups: list[list[Documents]] = []
    room = 0
    for source in sources:
        size = source.fields.nbytes
        if not groups or size > room:
            groups.append([])
            room = PIECE_BYTES
        groups[-1].append(source)
        room -= size
    return groups


def _go_on(abandoned: threading.Event) -> None:
    if abandoned.is_set():
        raise AbandonedError("the collection was closed during this call: open it again; nothing acknowledged is lost")


@contextmanager
def reported_writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"{path}: a segment cannot be written: {cause(error)}; check free space and permissions"
        raise CollectionError(message) from error
