"""What does the section `towers` mean for one vertical? Channels, tables and networks, every default filled in.

layout.py    Layout of both sides        networks.py  which channels have a network of their own
design.py    Design: settings, layout, and the featurizers of both sides
"""
