"""Coarse quantizers: which cluster a vector belongs to, and which clusters are nearest to a query.

ivf.py        CoarseQuantizer (IVF): spherical k-means
imi.py        IMI: k x k cells from two halves of the dimensions
assigning.py  the nearest centroid of each of many vectors: the cluster of a vector depends on the vector alone
probing.py    which clusters are nearest to a query, by codes of the centroids first
"""
