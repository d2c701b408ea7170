"""Order by words: BM25 of given documents, and the best of a set by it (bm25.py), found by bounds (maxscore.py)."""
