"""How does one column become numbers? A file for each kind of feature.

text.py       character trigrams and hashed words and bigrams, as bags or in order
granular.py   characters, segments in order, the segments of past queries
ids.py        one id, or a weighted multi-hot list of them
sequences.py  lists of ids in the order of time
numeric.py    standardised numbers with a presence flag
dense.py      a vector made elsewhere              vectors.py   a list of them
hashing.py    64-bit hashes and buckets            magnitude.py numbers too large to compute with
"""
