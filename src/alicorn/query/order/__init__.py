"""Which hits come first?

order_by.py     orders and their weighted sums
bm25.py         the first by BM25
static_rank.py  the first of a set by static rank, without listing the set
share.py        the shares of strong-or
"""
