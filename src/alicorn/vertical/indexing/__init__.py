"""What becomes of a document in a collection?

terms.py         terms of the inverted index, derived from columns
positions.py     their places in a text, for phrases
index_table.py   the table that a collection takes
"""
