"""Bitmaps combined and counted in one pass: and, or, and-not over words of 64 documents."""

import numpy as np

from alicorn.compiled import kernel

_ODD = np.uint64(0x5555555555555555)
_PAIRS = np.uint64(0x3333333333333333)
_NIBBLES = np.uint64(0x0F0F0F0F0F0F0F0F)
_BYTES = np.uint64(0x0101010101010101)


@kernel("int64(uint64)")
def ones(word):
    """How many bits of a word are set. LLVM compiles it to the processor's own instruction."""
    word = word - ((word >> np.uint64(1)) & _ODD)
    word = (word & _PAIRS) + ((word >> np.uint64(2)) & _PAIRS)
    word = (word + (word >> np.uint64(4))) & _NIBBLES
    return np.int64((word * _BYTES) >> np.uint64(56))


@kernel("int64(uint64[::1])")
def count(words):
    """How many bits are set."""
    total = 0
    for i in range(len(words)):
        total += ones(words[i])
    return total


@kernel("int64(uint64[::1], uint64[::1])")
def count_both(first, second):
    """How many bits are set in both."""
    total = 0
    for i in range(len(first)):
        total += ones(first[i] & second[i])
    return total


@kernel("int64(uint64[::1], uint64[::1], uint64[::1])")
def both(first, second, out):
    """out = first & second -> how many bits of it are set."""
    total = 0
    for i in range(len(out)):
        word = first[i] & second[i]
        out[i] = word
        total += ones(word)
    return total


@kernel("int64(uint64[::1], uint64[::1], uint64[::1])")
def either(first, second, out):
    """out = first | second -> how many bits of it are set."""
    total = 0
    for i in range(len(out)):
        word = first[i] | second[i]
        out[i] = word
        total += ones(word)
    return total


@kernel("int64(uint64[::1], uint64[::1], uint64[::1])")
def without(first, second, out):
    """out = first & ~second -> how many bits of it are set."""
    total = 0
    for i in range(len(out)):
        word = first[i] & ~second[i]
        out[i] = word
        total += ones(word)
    return total
