"""A flush, a merge, a training: which segments are written anew, and their writing. Used by store.py.

What is in memory and what arrives becomes a segment, together with the disk segments that are due for a merge. With
newly trained quantizers every segment is written anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alicorn.errors import CollectionError
from alicorn.index import training as training_rules
from alicorn.index.checking import PIECE_BYTES
from alicorn.index.documents import Documents
from alicorn.index.quantizer_file import write_quantizers
from alicorn.index.segment_builder import build_segment
from alicorn.index.segment_file import open_segment, write_segment
from alicorn.index.snapshot import SegmentView
from alicorn.index.tiers import smallest_to_merge
from alicorn.index.training import Training
from alicorn.quantization import KeyQuantizer

MAX_MERGED_DOCS = 1_000_000  # a larger segment is not merged automatically: a flush stays short


@dataclass(frozen=True, eq=False)
class Rewriting:
    """disk, mutable: what there is; arriving: documents whose older versions are deleted in both already;
    generation: names the new folders; training: by the rules of training.py when None; everything: merge all."""

    disk: tuple[SegmentView, ...]
    mutable: tuple[SegmentView, ...]
    arriving: Sequence[Documents]
    quantizers: Mapping[str, KeyQuantizer]
    generation: int
    training: Training | None
    everything: bool

    def training_due(self) -> Training | None:
        counts = {key: sum(len(source.vectors[key].docs) for source in self.arriving) for key in self.quantizers}
        for view in (*self.disk, *self.mutable):
            for key, block in view.segment.embeddings.items():
                counts[key] += len(block.docs)
        if self.training is None and training_rules.due(counts, self.quantizers):
            return Training()
        return self.training


@dataclass(eq=False)
class Rewritten:
    """disk: all segments from now on; checksums: header checksum of each new one; quantizer_record: where new."""

    disk: tuple[SegmentView, ...]
    quantizers: dict[str, KeyQuantizer]
    quantizer_record: tuple[str, str] | None = None
    checksums: dict[str, str] = field(default_factory=dict)


def rewrite(plan: Rewriting, path: Path) -> Rewritten:
    """Write the new folders, durably. Nothing refers to them yet; none is left when this fails."""
    folders: list[Path] = []
    try:
        return _rewrite(plan, path, folders)
    except BaseException as error:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            message = (
                f"{path}: a segment cannot be written: {error.strerror or error}; check free space and permissions"
            )
            raise CollectionError(message) from error
        raise


def _rewrite(plan: Rewriting, path: Path, folders: list[Path]) -> Rewritten:
    pending = [Documents.of_segment(view.segment, view.deleted) for view in plan.mutable if view.num_live]
    pending += plan.arriving
    live = [view for view in plan.disk if view.num_live]
    training = plan.training_due()
    merged = live if training or plan.everything else _due_for_merge(live, sum(one.num_docs for one in pending))
    kept = [view for view in live if view not in merged]
    if plan.everything and not training and not pending and len(merged) == 1 and merged[0].deleted is None:
        merged, kept = [], live
    sources = pending + [Documents.of_segment(view.segment, view.deleted) for view in merged]

    result = Rewritten((), dict(plan.quantizers))
    if training and sources:
        result.quantizers = training_rules.train(sources, plan.quantizers, plan.generation, training)
        name = f"{plan.generation:08d}"
        folders.append(path / "quantizers" / name)
        result.quantizer_record = (name, write_quantizers(result.quantizers, folders[-1]))
    written = []
    for i, group in enumerate(_groups(sources)):
        name = f"{plan.generation:08d}-{i}"
        folders.append(path / "segments" / name)
        result.checksums[name] = write_segment(build_segment(group, result.quantizers), folders[-1])
        written.append(SegmentView(open_segment(folders[-1], result.checksums[name], result.quantizers)))
    result.disk = (*kept, *written)
    return result


def _due_for_merge(live: Sequence[SegmentView], num_arriving: int) -> list[SegmentView]:
    """By size (tiers.py), and those of which most is deleted."""
    small = [
        view for view in live if view.num_live <= MAX_MERGED_DOCS and view.segment.fields.nbytes <= PIECE_BYTES // 2
    ]
    due = smallest_to_merge([view.num_live for view in small] + ([num_arriving] if num_arriving else []))
    chosen = [small[i] for i in due if i < len(small)]
    return chosen + [view for view in live if 2 * view.num_live < view.segment.num_docs and view not in chosen]


def _groups(sources: Sequence[Documents]) -> list[list[Documents]]:
    """The sources of one new segment each: as few as the limit on stored bytes allows."""
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
