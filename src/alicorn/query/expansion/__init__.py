"""To which terms of a collection does an expression expand?

expansion.py   the terms that begin with a prefix or are near to a word, ranked and cut
settled.py     an expression whose fuzzy terms that are no misspellings are terms
frequency.py   how many live documents have a term
"""
