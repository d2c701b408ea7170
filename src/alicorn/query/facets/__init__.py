"""How many documents of a whole result have each value?

facet.py      what can be counted, and the counts
checking.py   does a facet fit the collection?
counting.py   compiled loops over a set of documents
histogram.py  the edges of buckets of one width, or of calendar units
ranges.py     the counts between edges
count.py      the counts of a result
"""

from alicorn.query.facets.facet import Bucket, Counts, Facet

__all__ = ["Bucket", "Counts", "Facet"]
