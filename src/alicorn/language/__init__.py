"""How is a query written? S-expressions, as in Unicorn and EBR; sees no index and no vertical.

tokens.py       characters -> tokens with offsets
values.py       what an option takes: numbers, names and their bounds
syntax.py       how an operator is written, read from the fields of its node
tree.py         the nodes of an expression, printed by `str`, and the table of operators
parse.py        an expression -> its tree
well_formed.py  is a tree made in Python one that an expression spells?
order.py        an order of hits: scores, sums of them, fusion, stored columns
scored.py       the words of an expression that BM25 sums over
prepared.py     what is known of a tree before it meets a collection
templates.py    trees with holes for the words, the phrase and the embedding key of a query
"""

from alicorn.language.parse import parse

__all__ = ["parse"]
