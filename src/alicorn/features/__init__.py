"""How does a row become numbers? Rows in, arrays out: bags of table rows (CSR) and dense matrices.

featurizer.py  one code path for training, batch encoding and serving
kinds/         a file for each kind of feature: text, ids, numbers, sequences, vectors
pretrained/    vectors of a pretrained text encoder
arrays.py      Bag, Tokens, Sequences, Features
store.py       the same on disk, memory-mapped;  padded.py  a batch as padded matrices
channel_id.py  what a channel is, and how it is spelled
"""

from alicorn.features.arrays import Bag as Bag
from alicorn.features.arrays import Features as Features
from alicorn.features.arrays import Sequences as Sequences
from alicorn.features.arrays import Tokens as Tokens
from alicorn.features.channel_id import ChannelId as ChannelId
from alicorn.features.featurizer import Featurizer as Featurizer
from alicorn.features.kinds.numeric import Standardization as Standardization
from alicorn.features.kinds.numeric import standardizations as standardizations
from alicorn.features.kinds.text import TextSettings as TextSettings
from alicorn.features.pretrained import EncoderSettings as EncoderSettings
from alicorn.features.pretrained import Encoding as Encoding
from alicorn.features.pretrained import TextEncoder as TextEncoder
from alicorn.features.store import open_features as open_features
from alicorn.features.store import write_features as write_features
