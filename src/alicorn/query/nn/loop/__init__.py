"""The compiled search of a block.

arguments.py   what it takes
top_k.py       the k best scores
allowed.py     the allowed rows: of documents that have some terms, and how many there are in a cluster
choosing.py    which clusters are searched: the nearest, and further ones
collecting.py  which rows to scan next: clusters by their angle, the allowed rows in them
stages.py      scan, refine, verify: what each row of a chunk passes
kernel.py      the search
"""
