"""Sets of documents of one segment: arrays and bitmaps (docset.py), and their compiled loops (kernels.py)."""
