"""Codes of residuals or vectors: a codec is one file with its arithmetic, and one name in the tables below.

codec.py            Codec: what each must do
none.py             NoCodec: no code; scores come from the stored vectors
sq8.py              SQ8: one byte a dimension, in two planes of four bits
int8.py             Int8: one byte a dimension of the vector itself, where nothing else is kept
product.py          codebooks of sub-vectors, 8 bits each: what the next three share
pq.py               PQ: product quantization
opq.py              OPQ: after a rotation found together with the codebooks
pca_pq.py           PCAPQ: after a rotation to, or a projection on, the principal components
rabitq.py           RaBitQ: one bit a dimension, with a bound of high probability
extended_rabitq.py  ExtendedRaBitQ: 2 to 8 bits, likewise
"""

from alicorn.quantization.codecs.codec import Codec, NoEstimate, PreparedQuery
from alicorn.quantization.codecs.extended_rabitq import ExtendedRaBitQ
from alicorn.quantization.codecs.int8 import Int8
from alicorn.quantization.codecs.none import NoCodec
from alicorn.quantization.codecs.opq import OPQ
from alicorn.quantization.codecs.pca_pq import PCAPQ
from alicorn.quantization.codecs.pq import PQ
from alicorn.quantization.codecs.rabitq import RaBitQ
from alicorn.quantization.codecs.sq8 import SQ8

__all__ = [
    "CHOICES",
    "CODECS",
    "DEFAULT",
    "DEFAULT_SIZED_BY",
    "OPQ",
    "PCAPQ",
    "PQ",
    "SQ8",
    "Codec",
    "ExtendedRaBitQ",
    "Int8",
    "NoCodec",
    "NoEstimate",
    "PreparedQuery",
    "RaBitQ",
]

_ALL: tuple[type[Codec], ...] = (NoCodec, SQ8, Int8, PQ, OPQ, PCAPQ, RaBitQ, ExtendedRaBitQ)
_CHOSEN: tuple[type[Codec], ...] = (NoCodec, SQ8, PQ, OPQ, PCAPQ, ExtendedRaBitQ)

CODECS = {kind.name: kind for kind in _ALL}
"""By the name in the quantizer's file."""

CHOICES = {kind.choice: kind for kind in _CHOSEN if kind.choice}
"""By what Settings.codec calls them. A choice of 1 bit is RaBitQ, which ExtendedRaBitQ trains."""

DEFAULT = "sq8"
DEFAULT_SIZED_BY = {"pq_bytes": "opq", "bits": "rabitq"}
"""The codec that is chosen if only the size of a code is given."""
