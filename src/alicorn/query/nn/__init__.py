"""Nearest neighbours.

loop/        the compiled search of a block
counters.py  what an nn did
probe.py     one query against one key: its clusters, and the query as the codec takes it
plan.py      by stored vectors, by codes of listed rows, or by a scan
nearest.py   complete radius, and the k nearest
scan.py      the clusters that hold so many documents
recall.py    the clusters that a recall needs
few.py       few documents that have all of some terms, in one loop
filters.py   the documents of filters that are asked again
segment.py   the k nearest in one segment, in clusters that the loop chooses
products.py  many requests at once
"""
