"""What is a segment? Documents, their numbers, terms, columns and embeddings, in memory and as a file.

documents.py                Documents: checked, not yet numbered
segment.py, builder.py      Segment, NumericColumn, EmbeddingBlock; documents -> Segment
terms.py, doc_ids.py        the term dictionary; ids and their hashes
numeric.py, implied.py      columns for `range`; constant arrays that are rebuilt from their length
snapshot.py                 Snapshot, SegmentView: what a search reads
file.py, quantizer_file.py  a segment, and the quantizers, as files
tiers.py                    which segments to merge
"""
