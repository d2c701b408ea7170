"""Text as vectors of a pretrained transformer.

encoder.py  the frozen layers of the transformer, as a channel beside the n-grams
cache.py    vectors of the texts encoded last     disk.py    vectors on disk, shared by all processes
folder.py   the folder of a transformer, and what is refused
"""

from alicorn.features.pretrained.encoder import EncoderSettings as EncoderSettings
from alicorn.features.pretrained.encoder import Encoding as Encoding
from alicorn.features.pretrained.encoder import TextEncoder as TextEncoder
