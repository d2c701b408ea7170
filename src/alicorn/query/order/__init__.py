"""Which hits come first?

keys.py         an order that fits an expression and a collection
ordinals.py     the values of a column as places among its distinct values
permutation.py  the first of a set by static rank or by columns, without listing the set
united.py       the first by static rank of words or an `nn`, in one loop from the posting lists on
cursor.py       where a page ends
scores.py       weighted sums of scores and stored numbers, and reciprocal-rank fusion
by_keys.py      hits by several keys, and those after a cursor
bm25.py         the first by BM25
by_sum.py       the first by a weighted sum, of which few are scored
order_by.py     the first hits of an order
share.py        the shares of strong-or
"""
