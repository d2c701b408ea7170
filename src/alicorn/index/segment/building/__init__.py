"""The making of a segment.

documents.py  Documents: checked, not yet numbered
builder.py    documents -> Segment
tiers.py      the choice of segments to merge
"""
