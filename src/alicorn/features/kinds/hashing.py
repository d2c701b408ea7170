"""How a string becomes a row of a table: 64-bit hashes and their buckets. The compiled steps of text.py and ids.py.

Everything is uint64 arithmetic modulo 2^64, so a value hashes alike in training, in a batch job and in a server, on any
machine. Row 0 of a table means nothing and is never given out: buckets are 1..buckets.
"""

import numpy as np

from alicorn.compiled import kernel

FNV_PRIME = 0x100000001B3
WORD_SEED = 0xCBF29CE484222325
BIGRAM_SEED = 0x9E3779B97F4A7C15
TRIGRAM_SEED = 0xD6E8FEB86659FD93
ID_SEED = 0xA0761D6478BD642F
CHARACTER_SEED = 0xE7037ED1A0B428DB

_PRIME = np.uint64(FNV_PRIME)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)


@kernel("uint64(uint64)", inline="always")
def mix(h):
    """The finalizer of splitmix64: every input bit moves every output bit."""
    h = (h ^ (h >> _30)) * _M1
    h = (h ^ (h >> _27)) * _M2
    return h ^ (h >> _31)


@kernel("uint64(uint64, uint64)", inline="always")
def absorb(h, symbol):
    """One step of FNV-1a over symbols (code points or bytes)."""
    return (h ^ symbol) * _PRIME


@kernel("int32(uint64, uint64)", inline="always")
def bucket(h, buckets):
    """1..buckets from the upper half of a mixed hash; buckets < 2^31."""
    return np.int32(np.uint64(1) + (((h >> _32) * buckets) >> _32))


def hashed_keys(keys: np.ndarray, buckets: int) -> np.ndarray:
    """int32: the bucket of each key, uint64; keys that differ differ before the bucket."""
    out = np.empty(len(keys), dtype=np.int32)
    _hash_keys(keys, np.uint64(buckets), out)
    return out


@kernel("void(uint64[::1], uint64, int32[::1])")
def _hash_keys(keys, buckets, out):
    for i in range(len(keys)):
        out[i] = bucket(mix(keys[i]), buckets)
