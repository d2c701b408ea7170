"""The store of a collection: journal, memtable, immutable segments, merges, snapshots.

durability/  archives, the journal and manifest, the checks that detect loss
segment/     documents, terms, columns, embeddings, snapshots
state/       the contents of a collection at one moment; how they are loaded, verified, copied
writer/      Store and its background work
"""

from alicorn.index.durability.writer_lock import refuse_open_elsewhere
from alicorn.index.segment.parts.block_arrays import BlockArrays
from alicorn.index.segment.segment import EmbeddingBlock, NumericColumn, Segment
from alicorn.index.segment.snapshot import SegmentView, Snapshot
from alicorn.index.state.verify import Verification, verify
from alicorn.index.writer.store import Applied, Deletion, Store, Updated

__all__ = [
    "Applied",
    "BlockArrays",
    "Deletion",
    "EmbeddingBlock",
    "NumericColumn",
    "Segment",
    "SegmentView",
    "Snapshot",
    "Store",
    "Updated",
    "Verification",
    "refuse_open_elsewhere",
    "verify",
]
