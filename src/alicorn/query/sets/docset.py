"""A set of documents of one segment: ascending uint32 numbers, or a bitmap where that is smaller.

An array costs 4 bytes a member, a bitmap num_docs / 8 bytes: the bitmap is smaller from one document in 32.
Sets are never modified after they are made, because a posting list is a set in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alicorn.index.segment.parts.frequent import is_dense
from alicorn.query.sets import bits, kernels

EMPTY = np.empty(0, dtype=np.uint32)
NO_NUMBERS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Bitmap:
    """words: (ceil(num_docs / 64),) uint64; count: how many bits are set."""

    words: np.ndarray
    count: int

    @classmethod
    def of_words(cls, words: np.ndarray) -> Bitmap:
        return cls(words, bits.count(words))


@dataclass(frozen=True)
class Ranges:
    """Ascending, disjoint ranges of numbers, [starts[i], stops[i]): clusters of the first key; narrows other sets.

    count: how many numbers that is."""

    starts: np.ndarray
    stops: np.ndarray
    count: int

    @classmethod
    def of(cls, starts: np.ndarray, stops: np.ndarray) -> Ranges:
        return cls(starts, stops, int((stops - starts).sum()))


DocSet = np.ndarray | Bitmap | Ranges


def size(documents: DocSet) -> int:
    return len(documents) if isinstance(documents, np.ndarray) else documents.count


def as_array(documents: DocSet) -> np.ndarray:
    """The members as ascending uint32 numbers."""
    if isinstance(documents, Bitmap):
        numbers = np.empty(documents.count, dtype=np.uint32)
        kernels.list_bits(documents.words, numbers)
        return numbers
    if isinstance(documents, Ranges):
        numbers = np.empty(size(documents), dtype=np.uint32)
        kernels.expand_ranges(documents.starts, documents.stops, numbers)
        return numbers
    return documents


def as_words(documents: DocSet, num_docs: int) -> np.ndarray:
    """The members as bitmap words; a fresh array when the set is not a bitmap."""
    if isinstance(documents, Bitmap):
        return documents.words
    words = np.zeros((num_docs + 63) // 64, dtype=np.uint64)
    kernels.set_bits(words, as_array(documents))
    return words


def from_unsorted(numbers: np.ndarray, num_docs: int) -> DocSet:
    """A set from uint32 numbers in any order, with repetitions."""
    if is_dense(len(numbers), num_docs):
        return Bitmap.of_words(as_words(np.ascontiguousarray(numbers), num_docs))
    return distinct(numbers)


def distinct(numbers: np.ndarray) -> np.ndarray:
    """Each number once, ascending. np.unique hashes before it sorts: 30 times slower for thousands."""
    ascending: np.ndarray = np.sort(numbers)
    is_first = np.ones(len(ascending), dtype=bool)
    np.not_equal(ascending[1:], ascending[:-1], out=is_first[1:])
    return ascending[is_first]


def from_mask(mask: np.ndarray) -> DocSet:
    """A set from a boolean (num_docs,)."""
    count = int(np.count_nonzero(mask))
    if is_dense(count, len(mask)):
        padded = np.zeros((len(mask) + 63) // 64 * 64, dtype=bool)
        padded[: len(mask)] = mask
        return Bitmap(np.packbits(padded, bitorder="little").view(np.uint64), count)
    return np.flatnonzero(mask).astype(np.uint32)


def from_words(words: np.ndarray, num_docs: int) -> DocSet:
    """A set from bitmap words."""
    bitmap = Bitmap.of_words(words)
    return bitmap if is_dense(bitmap.count, num_docs) else as_array(bitmap)


def everything(num_docs: int) -> DocSet:
    return from_mask(np.ones(num_docs, dtype=bool))


def intersect(first: DocSet, second: DocSet) -> DocSet:
    if isinstance(first, Ranges):
        first, second = second, first
    if isinstance(second, Ranges) and isinstance(first, Bitmap):
        out = np.empty(min(first.count, size(second)), dtype=np.uint32)
        return out[: kernels.bits_in_ranges(first.words, second.starts, second.stops, out)]
    if isinstance(second, Ranges):
        numbers = as_array(first)
        out = np.empty(min(len(numbers), size(second)), dtype=np.uint32)
        return out[: kernels.slice_ranges(numbers, second.starts, second.stops, out)]
    if isinstance(first, Bitmap) and isinstance(second, Bitmap):
        return _combined(bits.both, first, second)
    if isinstance(first, Bitmap):
        first, second = second, first
    assert isinstance(first, np.ndarray)
    if isinstance(second, Bitmap):
        out = np.empty(len(first), dtype=np.uint32)
        return out[: kernels.filter_by_bits(second.words, first, True, out)]
    if len(first) > len(second):
        first, second = second, first
    out = np.empty(len(first), dtype=np.uint32)
    return out[: kernels.intersect(first, second, out)]


def subtract(first: DocSet, second: DocSet) -> DocSet:
    if isinstance(first, Bitmap):
        if isinstance(second, Bitmap):
            return _combined(bits.without, first, second)
        words = first.words.copy()
        kernels.clear_bits(words, as_array(second))
        return Bitmap.of_words(words)
    numbers = as_array(first)
    out = np.empty(len(numbers), dtype=np.uint32)
    if isinstance(second, Bitmap):
        return out[: kernels.filter_by_bits(second.words, numbers, False, out)]
    return out[: kernels.subtract(numbers, as_array(second), out)]


def unite(sets: list[DocSet], num_docs: int) -> DocSet:
    """The union of any number of sets."""
    if len(sets) == 2:
        first, second = sets
        if (
            isinstance(first, np.ndarray)
            and isinstance(second, np.ndarray)
            and not is_dense(len(first) + len(second), num_docs)
        ):
            return _unite_two(first, second)
    sizes = [size(documents) for documents in sets]
    sets = [documents for documents, count in zip(sets, sizes, strict=True) if count]
    if not sets:
        return EMPTY
    if len(sets) == 1:
        return sets[0]
    total = sum(sizes)
    bitmaps = [documents for documents in sets if isinstance(documents, Bitmap)]
    if bitmaps or is_dense(total, num_docs):
        if len(sets) == len(bitmaps) == 2:
            return _combined(bits.either, *bitmaps)
        words = np.zeros((num_docs + 63) // 64, dtype=np.uint64)
        for documents in sets:
            if isinstance(documents, Bitmap):
                np.bitwise_or(words, documents.words, out=words)
            else:
                kernels.set_bits(words, as_array(documents))
        return Bitmap.of_words(words)
    arrays = sorted((as_array(documents) for documents in sets), key=len)
    while len(arrays) > 1:  # neighbours in pairs: each member is looked at log2(sets) times
        paired = [_unite_two(first, second) for first, second in zip(arrays[::2], arrays[1::2], strict=False)]
        arrays = paired + arrays[len(arrays) // 2 * 2 :]
    return arrays[0]


def holds(documents: DocSet, numbers: np.ndarray) -> np.ndarray:
    """bool (numbers,): which of some document numbers, in any order, are members."""
    if isinstance(documents, Bitmap):
        places = numbers.astype(np.uint64)
        return np.asarray(
            (documents.words[places >> np.uint64(6)] >> (places & np.uint64(63))) & np.uint64(1), dtype=bool
        )
    members = as_array(documents)
    if not len(members):
        return np.zeros(len(numbers), dtype=bool)
    places = np.minimum(np.searchsorted(members, numbers), len(members) - 1)
    return np.asarray(members[places] == numbers)


def _combined(join: Callable[..., int], first: Bitmap, second: Bitmap) -> Bitmap:
    words = np.empty_like(first.words)
    return Bitmap(words, join(first.words, second.words, words))


def _unite_two(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    out = np.empty(len(first) + len(second), dtype=np.uint32)
    return out[: kernels.unite(first, second, out)]
