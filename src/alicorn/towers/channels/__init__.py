"""How does one feature become one vector? Channels as tensors, and the networks that read them.

tensors.py   a featurised batch as tensors          vectors.py      each channel of a side as a vector
networks.py  networks by their settings             deep_set.py, numbers.py, transformer.py, tuned.py  the networks
sequences.py, attention.py, capsules.py             elements of sequences, attention over them, several interests
"""
