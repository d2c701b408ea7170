"""Systems that rank documents. A system is its run, int32 (searches, depth) document numbers.

exact.py             the exact top-K by inner product over all documents
runs.py              runs of Boolean, BM25, embedding, indexed, cascaded and hybrid retrieval
ensemble_weights.py  the weights of an ensemble, searched on the valid split
"""
