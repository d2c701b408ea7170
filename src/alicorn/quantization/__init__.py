"""How small can a vector be? Coarse clusters, codes of residuals, and what a collection keeps per embedding key.

    codecs/      codes of residuals, one codec a file
    coarse/      clusters
    kernels/     wide arithmetic for the compiled loops here and in query/
    codes.py     Codes: codes of many residuals, in the arrays that a scan reads
    settings.py  Settings: what can be chosen, what fits together, what is chosen by the size of a collection
    key.py       KeyQuantizer: coarse + codec of residuals, versioned

A coarse quantizer has `centroids` of unit length, `fit`, `assign` and `cosines`; a codec `fit`, `encode`, `decode`,
`prepare` and `score`. tests/quantization/ holds what each must do.
"""

from alicorn.quantization.coarse.imi import IMI
from alicorn.quantization.coarse.ivf import CoarseQuantizer
from alicorn.quantization.codecs.extended_rabitq import ExtendedRaBitQ
from alicorn.quantization.codecs.int8 import Int8
from alicorn.quantization.codecs.none import NoCodec
from alicorn.quantization.codecs.opq import OPQ
from alicorn.quantization.codecs.pca_pq import PCAPQ
from alicorn.quantization.codecs.pq import PQ
from alicorn.quantization.codecs.rabitq import RaBitQ
from alicorn.quantization.codecs.sq8 import SQ8
from alicorn.quantization.codes import Codes
from alicorn.quantization.kernels.simd import MAX_DIM as MAX_CODED_DIM
from alicorn.quantization.key import Coarse, Codec, KeyQuantizer
from alicorn.quantization.settings import CODES, FLOAT16, FLOAT32, STORED, Settings, default_num_clusters, should_train

__all__ = [
    "CODES",
    "FLOAT16",
    "FLOAT32",
    "IMI",
    "MAX_CODED_DIM",
    "OPQ",
    "PCAPQ",
    "PQ",
    "SQ8",
    "STORED",
    "Coarse",
    "CoarseQuantizer",
    "Codec",
    "Codes",
    "ExtendedRaBitQ",
    "Int8",
    "KeyQuantizer",
    "NoCodec",
    "RaBitQ",
    "Settings",
    "default_num_clusters",
    "should_train",
]
