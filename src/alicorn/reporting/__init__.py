"""How is a result written? JSON for machines, tables and charts for people.

json_text.py  JSON text that every parser reads
markdown.py   Markdown tables
figure.py     charts by matplotlib as SVG, the same bytes for the same numbers
progress.py   a bar on a terminal
"""
