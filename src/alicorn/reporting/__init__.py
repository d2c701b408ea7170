"""How is a result written? JSON for machines, tables for people.

json_text.py  JSON text that every parser reads
markdown.py   Markdown tables
"""
