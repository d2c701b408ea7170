"""How is a segment kept on disk?

segment_file.py    the byte layout of a segment: write, open
quantizer_file.py  the same for the quantizers of a collection
"""
