"""Which texts need no `nn`? A rule that is learned from searches and measured as served.

fractional.py  the expectation of a share, by a weighted sum
search.py      the rule: learned and cut on half of the searches, measured on the other half beside the rules that exist
report.py      the result as Markdown, JSON, a curve, and the block of vertical.yaml
"""
