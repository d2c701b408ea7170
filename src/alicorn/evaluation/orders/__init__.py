"""Which order of a text's hits is best? Weights are searched on logged hits and measured as served.

logged.py  the hits of every search with what each has of every part
fields.py  the weights of the fields of BM25
search.py  the best weighted sum, chosen on half of the searches, beside the present order and fusion on the other half
block.py   the order as a block of vertical.yaml, and the file with it
report.py  the result as Markdown, JSON and curves
"""
