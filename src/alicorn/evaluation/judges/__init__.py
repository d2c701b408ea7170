"""Whether a document answers a query.

judge.py         what a judge is, and P_good@K by one
word_overlap.py  a judge learned from labels: a logistic regression over how words overlap
"""
