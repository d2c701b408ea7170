"""A version: the contents of a collection at one moment, an immutable value that every write replaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.index.durability.journal import Declared, SegmentRecord
from alicorn.index.segment.snapshot import SegmentView, Snapshot, discard
from alicorn.index.state.memtable import Memtable
from alicorn.quantization import KeyQuantizer
from alicorn.tables import plain_type


@dataclass(frozen=True, eq=False)
class Version:
    """embeddings: key -> dimension; positions: prefixes of the terms whose positions are kept; columns: the stored
    columns and their types; quantizers: of every key.

    checksums: name of a segment on disk -> its checksum; quantizer_file: name and checksum; both as in the manifest;
    generation: of the last rewriting in this version.
    The documents are in `disk`, in `immutable` (the memtable that is being written to disk) and in `mutable`; a
    document is live in one of them.
    """

    embeddings: dict[str, int]
    positions: tuple[str, ...]
    metadata: dict[str, Any]
    columns: pa.Schema
    quantizers: Mapping[str, KeyQuantizer]
    quantizer_file: tuple[str, str] | None
    checksums: Mapping[str, str]
    generation: int
    disk: tuple[SegmentView, ...]
    immutable: Memtable
    mutable: Memtable

    def without(self, doc_ids: pa.StringArray, hashes: np.ndarray) -> tuple[Version, np.ndarray]:
        """The version without these documents, and which of them were live: (len(doc_ids),) bool."""
        disk, found = discard(self.disk, doc_ids, hashes)
        immutable, in_immutable = discard(self.immutable.views, doc_ids, hashes)
        mutable, in_mutable = discard(self.mutable.views, doc_ids, hashes)
        version = replace(
            self, disk=disk, immutable=self.immutable.with_views(immutable), mutable=self.mutable.with_views(mutable)
        )
        return version, found | in_immutable | in_mutable

    def with_keys(self, quantizers: Mapping[str, KeyQuantizer]) -> Version:
        """The same documents with further embedding keys, which none of them has. quantizers: of all keys."""
        if quantizers.keys() == self.quantizers.keys():
            return self

        def grown(views: tuple[SegmentView, ...]) -> tuple[SegmentView, ...]:
            return tuple(view.with_keys(quantizers) for view in views)

        return replace(
            self,
            embeddings={key: one.dim for key, one in quantizers.items()},
            quantizers=quantizers,
            disk=grown(self.disk),
            immutable=Memtable(grown(self.immutable.views)),
            mutable=Memtable(grown(self.mutable.views)),
        )

    def switch_memtable(self) -> Version:
        """The version whose memtable is immutable, with a new, empty memtable."""
        return replace(self, immutable=self.immutable.joined(self.mutable), mutable=Memtable())

    def restore_memtable(self) -> Version:
        """The version whose memtable is mutable again, after it could not be written to disk."""
        return replace(self, immutable=Memtable(), mutable=self.immutable.joined(self.mutable))

    @property
    def views(self) -> tuple[SegmentView, ...]:
        """Those that have a live document."""
        every = (*self.disk, *self.immutable.views, *self.mutable.views)
        return tuple(view for view in every if view.num_live)

    @property
    def num_docs_in_memory(self) -> int:
        """The documents in memory, with deleted ones that still take room."""
        return self.immutable.num_docs + self.mutable.num_docs

    @property
    def num_bytes_in_memory(self) -> int:
        return self.immutable.num_bytes + self.mutable.num_bytes

    @property
    def live_bytes_in_memory(self) -> int:
        return self.immutable.live_bytes + self.mutable.live_bytes

    def declared(self) -> dict[str, Declared]:
        """The embedding keys as the manifest keeps them."""
        return {key: Declared(one.dim, one.stored) for key, one in self.quantizers.items()}

    def column_types(self) -> dict[str, pa.DataType]:
        return {field.name: plain_type(field.type) for field in self.columns}

    def segment_records(self) -> list[SegmentRecord]:
        """The entries of the manifest for the segments on disk."""
        records = []
        for view in self.disk:
            assert view.segment.name is not None
            dead = np.flatnonzero([] if view.deleted is None else view.deleted).astype(np.uint32)
            records.append(SegmentRecord(view.segment.name, self.checksums[view.segment.name], dead))
        return records

    def snapshot(self, sequence: int) -> Snapshot:
        views = self.views
        return Snapshot(
            segments=views,
            quantizers=self.quantizers,
            num_docs=sum(view.num_live for view in views),
            embeddings=self.embeddings,
            columns={"static_rank": pa.float64(), **self.column_types()},
            positions=self.positions,
            sequence=sequence,
            metadata=self.metadata,
        )
