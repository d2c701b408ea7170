"""To which terms of a collection does an expression expand?

expansion.py   the terms that begin with a prefix or are near to a word, ranked and cut
frequency.py   how many live documents have a term
"""
