"""The verb that asks a collection: what is written of an order or a facet, and how an answer is printed.

query.py      the verb
written.py    the texts of --order-by and --facet
answer.py     hits, counts and explanations on standard output
"""
