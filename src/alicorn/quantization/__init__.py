"""How small can a vector be? Coarse clusters, codes of residuals, and what a collection keeps per embedding key.

    coarse.py    CoarseQuantizer: spherical k-means; the cluster of a vector depends on the vector alone
    none.py      NoCodec: no code; scores come from the stored vectors
    sq8.py       SQ8: one byte a dimension
    opq.py       OPQ: rotated product quantization, 8 bits a sub-vector
    rabitq.py    RaBitQ: one bit a dimension, with a bound of high probability
    key.py       KeyQuantizer: coarse + codec of residuals, versioned; and the default settings by size

A codec has `fit`, `encode`, `decode`, `prepare` and `score`; tests/quantization/test_codecs.py holds what each must do.
"""

from alicorn.quantization.coarse import CoarseQuantizer
from alicorn.quantization.key import Codec, KeyQuantizer, default_num_clusters, should_train
from alicorn.quantization.none import NoCodec
from alicorn.quantization.opq import OPQ
from alicorn.quantization.rabitq import RaBitQ
from alicorn.quantization.sq8 import SQ8

__all__ = [
    "OPQ",
    "SQ8",
    "CoarseQuantizer",
    "Codec",
    "KeyQuantizer",
    "NoCodec",
    "RaBitQ",
    "default_num_clusters",
    "should_train",
]
