"""Sets of documents of one segment: arrays and bitmaps (docset.py), their compiled loops (kernels.py), and the bitmaps
of frequent terms (frequent.py)."""
