"""A run and its targets -> one value per search, and the uncertainty of their mean.

ranking.py     recall@K, success@K, reciprocal rank, NDCG@K of runs; the targets of searches
bootstrap.py   confidence intervals over searches
comparison.py  several runs -> means, intervals, paired differences, by segment
"""
