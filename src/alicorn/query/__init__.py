"""What is asked? parse -> tree -> check -> run -> order; `explain` shows each step.

parse.py, tree.py   the language; knows no collection
collection.py       Collection: a store that can be searched
check.py            does the expression fit the collection and the request?
run.py              a set of documents per node and segment
nn.py               nearest neighbours: complete radius, k nearest
cost.py             estimated sizes, and the price of each plan of an `nn`
order.py, share.py  which hits come first; the shares of strong-or
explain.py          what a query did
docset.py           sets of one segment; kernels.py holds the compiled loops
"""

from alicorn.query.collection import Collection, Result
from alicorn.query.parse import parse

__all__ = ["Collection", "Result", "parse"]
