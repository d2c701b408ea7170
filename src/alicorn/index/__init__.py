"""Where is it kept? Journal, mutable layer, immutable segments, merge, snapshot.

durability/  how bytes survive: archives, the journal and manifest, the checks that detect loss
segment/     what a segment is: documents, terms, columns, embeddings, snapshots
writer/      who changes state: Store and its background work
"""

from alicorn.index.segment.segment import EmbeddingBlock, NumericColumn, Segment
from alicorn.index.segment.snapshot import SegmentView, Snapshot
from alicorn.index.segment.terms import TermDictionary
from alicorn.index.writer.store import Applied, Deletion, Store
from alicorn.index.writer.verify import Verification, verify

__all__ = [
    "Applied",
    "Deletion",
    "EmbeddingBlock",
    "NumericColumn",
    "Segment",
    "SegmentView",
    "Snapshot",
    "Store",
    "TermDictionary",
    "Verification",
    "verify",
]
