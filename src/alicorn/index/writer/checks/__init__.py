"""The checks of arguments and tables, before anything is written.

arguments.py   keys, metadata, ids to delete, queries, which rows give which columns
documents.py   a table of documents
vectors.py     its vectors
positions.py   its positions of terms
left_out.py    what an upsert would remove without a word
"""
