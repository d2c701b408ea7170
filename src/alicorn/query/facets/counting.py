"""Counting the ordinals of a set of documents: compiled loops over an array of numbers or a bitmap."""

import numpy as np

from alicorn.compiled import kernel
from alicorn.query.sets.bits import ones


@kernel("void(uint32[::1], uint32[::1], int64[::1])")
def count_array(documents, ordinals, counts):
    """counts[ordinals[document]] += 1 for each document."""
    for document in documents:
        counts[ordinals[document]] += 1


@kernel("void(uint64[::1], uint32[::1], int64[::1])")
def count_bits(words, ordinals, counts):
    """The same of the documents whose bit is set."""
    for i in range(len(words)):
        word = words[i]
        while word != np.uint64(0):
            others = word & (word - np.uint64(1))
            counts[ordinals[64 * i + ones((word ^ others) - np.uint64(1))]] += 1  # the lowest bit: as many are below it
            word = others


@kernel("void(uint64[::1], uint32[::1], int64[::1], int64[::1], int64[::1])")
def count_postings(words, postings, starts, terms, counts):
    """counts[term] = how many of postings[starts[term]:starts[term + 1]] have their bit set, for each of the terms."""
    for term in terms:
        found = np.uint64(0)
        for at in range(starts[term], starts[term + 1]):
            document = np.uint64(postings[at])
            found += (words[document >> np.uint64(6)] >> (document & np.uint64(63))) & np.uint64(1)
        counts[term] = found


@kernel("int64(uint32[::1], int32[::1], uint32[::1], int64[::1])")
def count_lists(documents, starts, ordinals, counts):
    """Count the ordinals of documents that have several -> how many have any.

    Document d has ordinals[starts[d]:starts[d + 1]], each of them once.
    """
    holders = 0
    for document in documents:
        at, stop = np.uint64(starts[document]), np.uint64(starts[np.uint64(document) + np.uint64(1)])
        if at < stop:
            holders += 1
        while at < stop:
            counts[ordinals[at]] += 1
            at += np.uint64(1)
    return holders


@kernel(*[f"void(uint32[::1], int32[::1], {kind}[::1], int64, int64[::1])" for kind in ("int32", "uint16")])
def count_terms(documents, starts, ordinals, low, counts):
    """Count the ordinals low, low + 1, ... of documents with lists of them; one that a list has twice counts once."""
    last = np.full(len(counts), -1, dtype=np.int64)
    for document in documents:
        for at in range(starts[document], starts[np.int64(document) + 1]):
            ordinal = np.int64(ordinals[at]) - low
            if 0 <= ordinal < len(counts) and last[ordinal] != document:
                last[ordinal] = document
                counts[ordinal] += 1
