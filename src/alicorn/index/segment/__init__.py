"""What is a segment? Documents, their numbers, terms, columns and embeddings, in memory and as a file.

parts/       its arrays: the term dictionary, ids, postings' impacts, vectors
segment.py   Segment, NumericColumn, EmbeddingBlock
snapshot.py  Snapshot, SegmentView: what a search reads
numeric.py   stored columns as numbers for `range`
building/    documents -> Segment; which segments to merge
files/       a segment, and the quantizers, as files
"""
