"""How does a row become numbers? Rows in, arrays out: bags of table rows (CSR) and dense matrices.

featurizer.py  one code path for training, batch encoding and serving
text.py        character trigrams and hashed words and bigrams, as bags or in order
granular.py    characters, segments in order, the segments of past queries
ids.py         one id, or a weighted multi-hot list of them
sequences.py   lists of ids in the order of time
numeric.py     standardised numbers with a presence flag;  dense.py, vectors.py  vectors made elsewhere
pretrained/    vectors of a pretrained text encoder
magnitude.py   numbers too large to compute with
channel_id.py  what a channel is, and how it is spelled
arrays.py      Bag, Tokens, Sequences, Features;  store.py  the same on disk, memory-mapped
hashing.py     64-bit hashes and buckets
"""

from alicorn.features.arrays import Bag as Bag
from alicorn.features.arrays import Features as Features
from alicorn.features.arrays import Sequences as Sequences
from alicorn.features.arrays import Tokens as Tokens
from alicorn.features.channel_id import ChannelId as ChannelId
from alicorn.features.featurizer import Featurizer as Featurizer
from alicorn.features.numeric import Standardization as Standardization
from alicorn.features.numeric import standardizations as standardizations
from alicorn.features.pretrained import EncoderSettings as EncoderSettings
from alicorn.features.pretrained import TextEncoder as TextEncoder
from alicorn.features.store import open_features as open_features
from alicorn.features.store import write_features as write_features
from alicorn.features.text import TextSettings as TextSettings
