"""The store of a collection: journal, memtable, immutable segments, merges, snapshots.

durability/  how bytes survive: archives, the journal and manifest, the checks that detect loss
segment/     what a segment is: documents, terms, columns, embeddings, snapshots
state/       what a collection holds at one moment; how it is opened, verified, copied
writer/      who changes state: Store and its background work
"""

from alicorn.index.segment.parts.block_arrays import BlockArrays
from alicorn.index.segment.parts.terms import TermDictionary
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
    "TermDictionary",
    "Updated",
    "Verification",
    "verify",
]
