"""What a collection holds in memory at one moment: a value, which every write replaces by another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.index.durability.journal import SegmentRecord
from alicorn.index.segment.snapshot import SegmentView, Snapshot, discard
from alicorn.index.state.memtable import Memtable
from alicorn.quantization import KeyQuantizer
from alicorn.tables import plain_type


@dataclass(frozen=True, eq=False)
class Contents:
    """embeddings: key -> dimension; columns: the stored columns and their types; quantizers: of every key.

    checksums: name of every segment on disk -> its checksum, quantizer_file: name and checksum, both as the manifest
    keeps them; generation: of the last rewriting that is in here.
    The documents are in `disk`, in `frozen` (a part of the memtable that is being written to disk) and in
    `mutable`: a document is live in one place.
    """

    embeddings: dict[str, int]
    metadata: dict[str, Any]
    columns: pa.Schema
    quantizers: Mapping[str, KeyQuantizer]
    quantizer_file: tuple[str, str] | None
    checksums: Mapping[str, str]
    generation: int
    disk: tuple[SegmentView, ...]
    frozen: Memtable
    mutable: Memtable

    def without(self, doc_ids: pa.StringArray, hashes: np.ndarray) -> tuple[Contents, np.ndarray]:
        """The same without these documents, and which of them were live: (len(doc_ids),) bool."""
        disk, found = discard(self.disk, doc_ids, hashes)
        frozen, in_frozen = discard(self.frozen.views, doc_ids, hashes)
        mutable, in_mutable = discard(self.mutable.views, doc_ids, hashes)
        contents = replace(
            self, disk=disk, frozen=self.frozen.with_views(frozen), mutable=self.mutable.with_views(mutable)
        )
        return contents, found | in_frozen | in_mutable

    def freeze(self) -> Contents:
        """The whole memtable is frozen, and an empty one takes its place."""
        return replace(self, frozen=self.frozen.joined(self.mutable), mutable=Memtable())

    def thaw(self) -> Contents:
        """The frozen part is mutable again: its writing failed."""
        return replace(self, frozen=Memtable(), mutable=self.frozen.joined(self.mutable))

    @property
    def num_docs_in_memory(self) -> int:
        """With the deleted ones that still take room."""
        return self.frozen.num_docs + self.mutable.num_docs

    @property
    def num_bytes_in_memory(self) -> int:
        return self.frozen.num_bytes + self.mutable.num_bytes

    @property
    def live_bytes_in_memory(self) -> int:
        return self.frozen.live_bytes + self.mutable.live_bytes

    def column_types(self) -> dict[str, pa.DataType]:
        return {field.name: plain_type(field.type) for field in self.columns}

    def segment_records(self) -> list[SegmentRecord]:
        """What the manifest keeps of the segments on disk."""
        records = []
        for view in self.disk:
            assert view.segment.name is not None
            dead = np.flatnonzero([] if view.deleted is None else view.deleted).astype(np.uint32)
            records.append(SegmentRecord(view.segment.name, self.checksums[view.segment.name], dead))
        return records

    def snapshot(self, sequence: int) -> Snapshot:
        views = tuple(view for view in (*self.disk, *self.frozen.views, *self.mutable.views) if view.num_live)
        return Snapshot(
            segments=views,
            quantizers=self.quantizers,
            num_docs=sum(view.num_live for view in views),
            embeddings=self.embeddings,
            columns={"static_rank": pa.float64(), **self.column_types()},
            sequence=sequence,
        )
