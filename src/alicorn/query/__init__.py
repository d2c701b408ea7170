"""What is in the answer, and what comes first? check -> run -> order; `explain` shows each step.

collection.py       Collection: a store that can be searched
search.py, many.py  one request; many requests at once
result.py           its hits, each with its address in the snapshot that scored it
check.py            does the expression fit the collection and the request?
run.py              a set of documents per node and segment
cost.py             estimated sizes, and the price of each plan of an `nn`
explain.py          what a query did; reason.py: why a document is in a result, or not
sets/ nn/ text/ order/  sets of documents; nearest neighbours; BM25; which hits come first
"""

from alicorn.language.parse import parse
from alicorn.query.collection import Collection
from alicorn.query.result import Result

__all__ = ["Collection", "Result", "parse"]
