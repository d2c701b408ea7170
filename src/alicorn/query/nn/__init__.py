"""Nearest neighbours.

arguments.py   what the compiled search of a block takes
top_k.py       the k best scores in compiled loops
collecting.py  which rows to scan next: clusters by their angle, allowed rows
stages.py      scan, refine, verify: what each row of a chunk passes
kernel.py      the compiled search of a block
counters.py    what an nn did
probe.py       one query against one key: its clusters, and the query as the codec takes it
plan.py        by stored vectors, by codes of listed rows, or by a scan
nearest.py     complete radius, and the k nearest
few.py         few documents that have all of some terms, in one loop
products.py    many requests at once
"""
