"""The memtable: the documents upserted since the last flush, as a few segments in memory.

An immutable value: every change makes a new memtable, and the views of a snapshot do not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alicorn.index.segment.building.builder import build_segment
from alicorn.index.segment.building.documents import Documents
from alicorn.index.segment.building.tiers import smallest_to_merge
from alicorn.index.segment.segment import Segment
from alicorn.index.segment.snapshot import SegmentView
from alicorn.quantization import KeyQuantizer


@dataclass(frozen=True, eq=False)
class Memtable:
    views: tuple[SegmentView, ...] = ()

    def with_views(self, views: tuple[SegmentView, ...]) -> Memtable:
        """A memtable with these views: the same segments, with more documents deleted."""
        return Memtable(views)

    def with_documents(self, documents: Documents, quantizers: Mapping[str, KeyQuantizer]) -> Memtable:
        """The memtable after an upsert. views: already without the replaced documents."""
        views = [view for view in self.views if view.num_live]
        views.append(SegmentView(build_segment([documents], quantizers)))
        merged = smallest_to_merge([view.num_live for view in views])
        if merged:
            segment = merge_views([views[i] for i in merged], quantizers)
            views = [view for i, view in enumerate(views) if i not in merged] + [SegmentView(segment)]
        return Memtable(tuple(views))

    def joined(self, other: Memtable) -> Memtable:
        """The documents of both memtables."""
        return Memtable(self.views + other.views)

    def coded_by(self, quantizers: Mapping[str, KeyQuantizer]) -> Memtable:
        """The memtable with its live documents assigned and coded by these quantizers."""
        live = [view for view in self.views if view.num_live]
        views = (SegmentView(merge_views(live, quantizers)),) if live else ()
        return Memtable(views)

    @property
    def num_docs(self) -> int:
        """With the deleted ones that still take room."""
        return sum(view.segment.num_docs for view in self.views)

    @property
    def num_bytes(self) -> int:
        """With the deleted ones that still take room."""
        return sum(view.segment.nbytes for view in self.views)

    @property
    def live_bytes(self) -> int:
        return sum(view.segment.nbytes * view.num_live // view.segment.num_docs for view in self.views)


def merge_views(views: list[SegmentView], quantizers: Mapping[str, KeyQuantizer]) -> Segment:
    """The live documents of all views as one segment."""
    return build_segment([Documents.of_segment(view.segment, view.deleted) for view in views], quantizers)
