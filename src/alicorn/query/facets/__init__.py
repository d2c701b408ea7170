"""How many documents of a whole result have each value?

facet.py     what can be counted, and the counts
checking.py  does a facet fit the collection?
counting.py  compiled loops over a set of documents
count.py     the counts of a result
"""

from alicorn.query.facets.facet import Bucket, Counts, Facet

__all__ = ["Bucket", "Counts", "Facet"]
