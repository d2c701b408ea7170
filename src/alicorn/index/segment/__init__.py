"""Segments: documents, their numbers, terms, columns and embeddings, in memory and in a file.

parts/       the arrays of a segment: term dictionary, ids, impacts of postings, vectors
segment.py   Segment, NumericColumn, EmbeddingBlock
snapshot.py  Snapshot, SegmentView: what a search reads
numeric.py   stored columns as numbers for `range`
building/    documents -> Segment; the choice of segments to merge
files/       the files of segments and of quantizers
"""
