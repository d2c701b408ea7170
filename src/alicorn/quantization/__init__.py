"""How small can a vector be? Coarse clusters, codes of residuals, and what a collection keeps per embedding key.

    coarse.py    CoarseQuantizer (IVF): spherical k-means
    assigning.py the nearest centroid of each of many vectors: the cluster of a vector depends on the vector alone
    probing.py   which clusters are nearest to a query, by codes of the centroids first
    imi.py       IMI: k x k cells from two halves of the dimensions
    none.py      NoCodec: no code; scores come from the stored vectors
    sq8.py       SQ8: one byte a dimension, in two planes of four bits
    int8.py      Int8: one byte a dimension of the vector itself, where nothing else is kept
    product.py   codebooks of sub-vectors, 8 bits each: what the next three share
    pq.py        PQ: product quantization
    opq.py       OPQ: after a rotation found together with the codebooks
    pca_pq.py    PCAPQ: after a rotation to, or a projection on, the principal components
    rabitq.py    RaBitQ: one bit a dimension, with a bound of high probability
    extended_rabitq.py  ExtendedRaBitQ: 2 to 8 bits, likewise
    codes.py     Codes: codes of many residuals, in the arrays that a scan reads
    simd.py      wide arithmetic for the compiled loops here and in query/
    settings.py  Settings: what can be chosen, what fits together, what is chosen by the size of a collection
    key.py       KeyQuantizer: coarse + codec of residuals, versioned

A coarse quantizer has `centroids` of unit length, `fit`, `assign` and `cosines`; a codec `fit`, `encode`, `decode`,
`prepare` and `score`. tests/quantization/ holds what each must do.
"""

from alicorn.quantization.coarse import CoarseQuantizer
from alicorn.quantization.codes import Codes
from alicorn.quantization.extended_rabitq import ExtendedRaBitQ
from alicorn.quantization.imi import IMI
from alicorn.quantization.int8 import Int8
from alicorn.quantization.key import Coarse, Codec, KeyQuantizer
from alicorn.quantization.none import NoCodec
from alicorn.quantization.opq import OPQ
from alicorn.quantization.pca_pq import PCAPQ
from alicorn.quantization.pq import PQ
from alicorn.quantization.rabitq import RaBitQ
from alicorn.quantization.settings import CODES, FLOAT16, FLOAT32, STORED, Settings, default_num_clusters, should_train
from alicorn.quantization.simd import MAX_DIM as MAX_CODED_DIM
from alicorn.quantization.sq8 import SQ8

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
