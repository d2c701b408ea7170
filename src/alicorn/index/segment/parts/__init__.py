"""The arrays of a segment: each file has one part.

terms.py         the sorted term dictionary       impacts.py    bounds of BM25 for blocks of postings
frequent.py      bitmaps of frequent terms        positions.py  the positions of terms in documents
doc_ids.py       ids and their hashes             implied.py    constant arrays that are rebuilt from their length
block_arrays.py  the vectors of an embedding key  levenshtein.py  the terms of a dictionary near a word
"""
