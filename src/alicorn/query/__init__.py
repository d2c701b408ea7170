"""What is in the answer, and what comes first? check -> run -> order.

collection.py       Collection: a store that can be searched
search.py, many.py  one request; many requests at once
result.py           its hits, each with its address in the snapshot that scored it
check.py            does the expression fit the collection and the request?
restrict.py         a snapshot of a part of the documents, as if the others were not there
run.py              a set of documents per node and segment
wanted.py           is the answer still wanted? Long loops end early when it is not
expansion/          to which terms of the collection a prefix or a fuzzy term expands
operators/          what each operator of the language does, one file each
sets/ nn/ text/ order/  sets of documents; nearest neighbours; BM25; which hits come first
facets/             how many documents of a result have each value
explain/            what a query did; why a document is in a result, or not; what a hit has of the query
"""

from alicorn.language.parse import parse
from alicorn.query.collection import Collection
from alicorn.query.facets import Facet
from alicorn.query.result import Result

__all__ = ["Collection", "Facet", "Result", "parse"]
