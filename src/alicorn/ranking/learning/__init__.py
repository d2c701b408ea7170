"""`alicorn rank train`: a forest learned from a log.

examples.py  what was shown and chosen, with the features of that moment
logged.py    features as they were served, where the log has them
lambdamart.py  the forest, learned by LightGBM
bst.py       the Behavior Sequence Transformer, learned by torch
learn.py     a ranker's folder, and what its order is worth beside those without it
"""
