"""The verbs that measure: a model and what a collection serves, settings of its quantizer, the order of its hits.

evaluate.py   held-out searches
tune.py       a key's quantizer, or one of the parts of the vertical below
served.py     an order, or a rule of which texts need no `nn`, learned from valid searches
"""
