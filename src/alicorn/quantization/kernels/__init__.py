"""Wide arithmetic for the compiled loops of quantization/ and query/.

intrinsics.py  machine vectors, raw memory
named.py       NamedTuples in compiled code: their types, addresses, methods
levels.py      packed levels and their exact products
dot.py         inner products in a fixed order
"""
