"""Order by words.

bm25.py      BM25 of given documents, and the best of a set by it
maxscore.py  the compiled loops that find them: lists in the order of their bounds, blocks passed over
"""
