"""Codes of residuals or vectors, one codec a file.

none.py             NoCodec: no code; scores come from the stored vectors
sq8.py              SQ8: one byte a dimension, in two planes of four bits
int8.py             Int8: one byte a dimension of the vector itself, where nothing else is kept
product.py          codebooks of sub-vectors, 8 bits each: what the next three share
pq.py               PQ: product quantization
opq.py              OPQ: after a rotation found together with the codebooks
pca_pq.py           PCAPQ: after a rotation to, or a projection on, the principal components
rabitq.py           RaBitQ: one bit a dimension, with a bound of high probability
extended_rabitq.py  ExtendedRaBitQ: 2 to 8 bits, likewise
"""
