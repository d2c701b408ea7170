"""Systems that rank documents. A system is its run, int32 (searches, depth) document numbers.

exact.py             the exact top-K by inner product over all documents
runs.py              runs of embeddings, exact, through an index and cascaded, and of expressions
served.py            runs of what is served: Boolean, BM25, nn, hybrid in its order and in others
ensemble_weights.py  the weights of an ensemble, searched on the valid split
"""
