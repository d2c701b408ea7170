"""What is learned from? Pairs as featurised rows on disk, and the batches of an epoch.

data.py     pairs/ featurised once              document_queries.py  the frequent queries of each document
teacher.py  the margins by which a teacher prefers a positive
groups.py   requests that share their choices   batches.py           a seeded shuffle, negatives and masks
"""
