"""How is a segment made?

documents.py  Documents: checked, not yet numbered
builder.py    documents -> Segment
tiers.py      which segments to merge
"""
