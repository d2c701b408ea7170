"""Where is it kept? Journal, mutable layer, immutable segments, merge, snapshot.

In the order an upsert takes:

    store.py            Store: create, open, upsert, delete, flush, merge, train, verify, snapshot
    arguments.py        keys, metadata, ids to delete
    checking.py         is a table of documents acceptable?   checking_vectors.py: its vectors
    documents.py        Documents: checked, not yet numbered
    segment_builder.py  documents -> Segment                  numeric.py: columns for `range`
    journal.py          the journal and manifest              sqlite_file.py: its tables;  writer_lock.py: one writer
    seal.py, wal.py, mark.py  was any of it lost?             failpoints.py, durable.py: fsync and rename
    live.py, contents.py  what is in memory now               mutable.py: the mutable layer;  loading.py, replay.py
    maintenance.py      when to flush, merge, train           worker.py: the thread that does it
    rewriting.py        flush, merge, train                   tiers.py: which segments;  training.py: when and how
    segment_file.py     a segment as a file                   quantizer_file.py, archive.py, mapping.py
    verify.py, backup.py  is it all there? a copy of it       open_manifest.py: SQLite's locks

And what query/ reads: snapshot.py (Snapshot, SegmentView), segment.py (Segment, NumericColumn, EmbeddingBlock),
terms.py (TermDictionary), doc_ids.py.
"""

from alicorn.index.numeric import is_numeric
from alicorn.index.segment import EmbeddingBlock, NumericColumn, Segment
from alicorn.index.snapshot import SegmentView, Snapshot
from alicorn.index.store import Deletion, Store
from alicorn.index.terms import TermDictionary
from alicorn.index.verify import Verification, verify

__all__ = [
    "Deletion",
    "EmbeddingBlock",
    "NumericColumn",
    "Segment",
    "SegmentView",
    "Snapshot",
    "Store",
    "TermDictionary",
    "Verification",
    "is_numeric",
    "verify",
]
