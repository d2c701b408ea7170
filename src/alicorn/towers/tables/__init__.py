"""How does an id or an n-gram become a vector? Embedding tables with row-wise gradients.

table.py  one row for each bucket        hashed.py  the sum of some rows        dhe.py  a network instead of rows
sums.py   sums of rows without torch
"""
