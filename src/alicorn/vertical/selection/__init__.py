"""Which documents are indexed, and which requests need no `nn`?

documents.py  rules of documents: recent, in a range, one of some values
requests.py   rules of texts: short, repeated, learned from choices
selection.py  both, as vertical.yaml has them, and what they decide
"""

from alicorn.vertical.selection.selection import Selection as Selection
