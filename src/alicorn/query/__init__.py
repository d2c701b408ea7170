"""What is asked? parse -> tree -> check -> run -> order; `explain` shows each step.

parse.py, tree.py   the language; knows no collection (tokens.py, operators.py: its words and its table)
prepared.py         what is known of an expression before it meets a collection
collection.py       Collection: a store that can be searched
search.py, many.py  one request; many requests at once
check.py            does the expression fit the collection and the request?
run.py              a set of documents per node and segment
nn.py               nearest neighbours: complete radius, k nearest
cost.py             estimated sizes, and the price of each plan of an `nn`
order.py, share.py  which hits come first; the shares of strong-or
explain.py          what a query did; reason.py: why a document is in a result, or not
docset.py           sets of one segment; frequent.py: bitmaps of frequent terms
kernels.py          the compiled loops of sets
nn_kernels.py       the compiled loop of an `nn`; scoring.py: its steps; products.py: of many at once
"""

from alicorn.query.collection import Collection
from alicorn.query.parse import parse
from alicorn.query.search import Result

__all__ = ["Collection", "Result", "parse"]
