"""The files of a collection: segments and quantizers.

segment_file.py    the byte layout of a segment: write, open
quantizer_file.py  the same for the quantizers of a collection
"""
