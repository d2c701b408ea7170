"""What are the arrays of a segment? Each file holds one of its parts.

terms.py         the sorted term dictionary       impacts.py   the largest BM25 factor of a block of postings
doc_ids.py       ids and their hashes             implied.py   constant arrays that are rebuilt from their length
block_arrays.py  the vectors of an embedding key        positions.py  where in their documents terms are
levenshtein.py   the terms of a dictionary near a word
"""
