"""Counting the codes of a set of documents: compiled loops over an array of numbers or the bits of a bitmap."""

import numpy as np

from alicorn.compiled import kernel, subroutine
from alicorn.query.sets.bits import ones


@kernel("void(uint32[::1], uint32[::1], int64[::1])")
def count_array(documents, codes, counts):
    """counts[codes[document]] += 1 for each document."""
    for document in documents:
        counts[codes[document]] += 1


@kernel("void(uint64[::1], uint32[::1], int64[::1])")
def count_bits(words, codes, counts):
    """The same of the documents whose bit is set."""
    for i in range(len(words)):
        word = words[i]
        while word != np.uint64(0):
            others = word & (word - np.uint64(1))
            counts[codes[64 * i + ones((word ^ others) - np.uint64(1))]] += 1  # the lowest bit: as many are below it
            word = others


@kernel("void(uint64[::1], uint32[::1], int64[::1], int64[::1])")
def count_postings(words, postings, starts, counts):
    """counts[i] = how many of postings[starts[i]:starts[i + 1]] have their bit set."""
    for i in range(len(counts)):
        found = np.int64(0)
        for at in range(starts[i], starts[i + 1]):
            document = np.int64(postings[at])
            found += np.int64((words[document >> 6] >> np.uint64(document & 63)) & np.uint64(1))
        counts[i] = found


@subroutine
def _count_list(document, starts, codes, low, last, counts):
    """Count the codes from `low` on that a document has, each once -> whether it has any."""
    has = False
    for at in range(starts[document], starts[document + 1]):
        code = np.int64(codes[at]) - low
        if 0 <= code < len(counts):
            has = True
            if last[code] != document:
                last[code] = document
                counts[code] += 1
    return has


@kernel(*[f"int64(uint32[::1], int32[::1], {kind}[::1], int64, int64[::1])" for kind in ("uint32", "int32", "uint16")])
def count_lists(documents, starts, codes, low, counts):
    """Count the codes low, low + 1, ... of documents with lists of them -> how many documents have one.

    Document d has codes[starts[d]:starts[d + 1]]; one that it has twice counts once.
    """
    last = np.full(len(counts), -1, dtype=np.int64)
    holders = 0
    for document in documents:
        if _count_list(np.int64(document), starts, codes, low, last, counts):
            holders += 1
    return holders
