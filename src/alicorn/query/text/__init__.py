"""Words: which documents have them all, or in an order, and an order by words.

best.py    the compiled loops that find the best by BM25, and count all, without scoring each
lists.py   posting lists as these loops read them; request.py: the terms; window.py: how many of them documents have
in_all.py  the documents that have all of some terms; in_order.py: those that have them in an order
scored.py  the terms of a snapshot, as those loops read them
bm25.py    BM25 of given documents, and the best of a set or of an `and` or `or` of terms
fields.py  the lengths of fields, and idf of words over several fields
bm25f.py   BM25F of given documents: words in fields with weights; field_lists.py: their posting lists
spellings.py  BM25 of fuzzy terms
"""
