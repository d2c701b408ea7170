"""How small can a vector be? Coarse clusters, codes of residuals, and what a collection keeps per embedding key.

    kernels/        wide arithmetic for compiled loops
    codecs/         codes of residuals or vectors: a codec is one file with its arithmetic
    coarse/         clusters
    stored.py       stored vectors as compiled loops read them
    codes.py        Codes: codes of many residuals, in the arrays that a scan reads
    settings.py     Settings: what can be chosen, what fits together, what is chosen by the size of a collection
    calibration.py  Calibration: in which clusters must a search look for a recall?
    measuring.py    measure: a Calibration, by exact search for sampled queries
    fitting.py      the slack that sampled queries need: slope and bases
    key.py          KeyQuantizer: coarse + codec of residuals, versioned

A coarse quantizer has `centroids` of unit length, `fit`, `assign` and `cosines`; codecs/codec.py says what a codec has.
tests/quantization/ holds what each must do.
"""

from alicorn.quantization.calibration import Calibration, Slack, first_scan, least_cosine
from alicorn.quantization.coarse.imi import IMI
from alicorn.quantization.coarse.ivf import CoarseQuantizer
from alicorn.quantization.codecs import (
    OPQ,
    PCAPQ,
    PQ,
    SQ8,
    Codec,
    ExtendedRaBitQ,
    Int8,
    NoCodec,
    NoEstimate,
    PreparedQuery,
    RaBitQ,
)
from alicorn.quantization.codes import Codes
from alicorn.quantization.kernels.levels import MAX_DIM as MAX_CODED_DIM
from alicorn.quantization.key import ROWS, ROWS_AND_QUERIES, KeyQuantizer
from alicorn.quantization.measuring import MEASURED_FROM, held_out, measure
from alicorn.quantization.settings import CODES, FLOAT16, FLOAT32, STORED, Settings, default_num_clusters, should_train

__all__ = [
    "CODES",
    "FLOAT16",
    "FLOAT32",
    "IMI",
    "MAX_CODED_DIM",
    "MEASURED_FROM",
    "OPQ",
    "PCAPQ",
    "PQ",
    "ROWS",
    "ROWS_AND_QUERIES",
    "SQ8",
    "STORED",
    "Calibration",
    "CoarseQuantizer",
    "Codec",
    "Codes",
    "ExtendedRaBitQ",
    "Int8",
    "KeyQuantizer",
    "NoCodec",
    "NoEstimate",
    "PreparedQuery",
    "RaBitQ",
    "Settings",
    "Slack",
    "default_num_clusters",
    "first_scan",
    "held_out",
    "least_cosine",
    "measure",
    "should_train",
]
