"""Are words in a document in the order of a phrase, or few moves from it? By their positions.

Word i of the phrase may be at any position p_i of its term, and two words of the same term are at different positions.
A document has the phrase where some choice puts all p_i - i into a window of slop + 1 neighbouring numbers. The loop
raises the window: a word that is beyond it shows how far the window must rise at least, so every position is looked at
once, whatever the slop. For a window each word takes the least position that is in it and not yet taken, which is best,
since the windows of later words begin and end later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.np.numpy_support import from_dtype

from alicorn.compiled import kernel, subroutine
from alicorn.index import Segment
from alicorn.index.segment.parts.positions import BLOCK, MANY
from alicorn.quantization.kernels.intrinsics import (
    address,
    bytes_at,
    keep,
    longs_at,
    new_numbers,
    new_words,
    numbers_at,
)
from alicorn.quantization.kernels.named import Longs, addresses, type_of
from alicorn.query.sets import docset
from alicorn.query.sets.docset import DocSet, Ranges
from alicorn.query.text.in_all import (
    LIST,
    NO_SETS,
    ROOM,
    Postings,
    as_lists,
    leading,
    next_documents,
    postings_of,
    read_lists,
)
from alicorn.query.text.lists import seek


class _Positions(NamedTuple):
    """frequencies: of Segment; first, blocks, numbers: of PositionLists."""

    frequencies: Any
    first: int
    blocks: Longs
    numbers: Any


def in_order(
    segment: Segment, prefix: str, terms: Sequence[str], slop: int, inside: DocSet | None = None
) -> tuple[DocSet, int]:
    """The documents that have the terms in their order, and how many were looked at, as they have all terms.

    prefix: of the terms, one whose positions the segment has. inside: only these documents; None for all.
    """
    lists = segment.positions[prefix]
    positions = _Positions(segment.frequencies, lists.first, lists.blocks, lists.numbers)
    sets = NO_SETS if inside is None or isinstance(inside, Ranges) else as_lists([inside])
    numbers = np.array([segment.terms.find(term) for term in terms] + [-2] * len(sets))
    entry = _compiled_for(lists.numbers.dtype)
    found, count = entry(postings_of(segment), positions, numbers, len(terms), slop, sets)
    return docset.intersect(found, inside) if isinstance(inside, Ranges) else found, count


@cache
def _compiled_for(kind: np.dtype) -> Callable[..., tuple[np.ndarray, int]]:
    """The loop for one type of positions: without finding out the types of its arguments, as in nn/loop/kernel.py."""
    entry: Callable[..., tuple[np.ndarray, int]] = _in_order.compile(_argument_types(from_dtype(kind)))
    return entry


def _argument_types(kind: types.Type) -> tuple[types.Type, ...]:
    positions = type_of(_Positions, frequencies=types.uint8[::1], numbers=kind[::1])
    return type_of(Postings), positions, types.int64[::1], types.int64, types.int64, types.int64[:, ::1]


_STOP, _AT, _KNOWN, _BEGIN, _START, _END, _TAKEN, _TWIN, _WORD = range(9)
"""What is known of a word, and how many numbers these are: where its postings end, and where the search goes on; a
posting, and where its positions begin; where its positions in a document start and end, and which it takes; the word
before with the same term, or -1."""


@subroutine
def _begin(postings, terms, num_words, words):
    for i in range(num_words):
        term, word, twin = longs_at(terms)[i], longs_at(words + 8 * _WORD * i), i - 1
        word[_AT], word[_STOP] = longs_at(postings.starts)[term], longs_at(postings.starts)[term + 1]
        word[_KNOWN] = -1
        while twin >= 0 and longs_at(terms)[twin] != term:
            twin -= 1
        word[_TWIN] = twin


@subroutine
def _go_to(postings, positions, numbers, num_words, words, document):
    """Find where the positions of each word in a document, which has them all, start and end."""
    frequencies = bytes_at(positions.frequencies)
    for i in range(num_words):
        word = longs_at(words + 8 * _WORD * i)
        at = seek(numbers_at(postings.postings), word[_AT], word[_STOP], document)
        block = (at - positions.first) // BLOCK
        known, begin = positions.first + block * BLOCK, longs_at(positions.blocks)[block]
        if word[_KNOWN] >= known:
            known, begin = word[_KNOWN], word[_BEGIN]
        for before in range(known, at):
            begin += frequencies[before] if frequencies[before] < MANY else 1 + numbers[begin]
        word[_AT], word[_KNOWN], word[_BEGIN] = at, at, begin
        many = np.int64(frequencies[at] == MANY)
        word[_START] = begin + many
        word[_END] = begin + many + (np.int64(numbers[begin]) if many else np.int64(frequencies[at]))


@kernel(
    *(
        types.Tuple((types.uint32[::1], types.int64))(*_argument_types(kind))
        for kind in (types.uint8, types.uint16, types.uint32)
    )
)
def _in_order(postings_arrays, position_arrays, terms, num_words, slop, sets):
    """The documents, and how many have all terms. terms: of the words, then those that a document must have as well."""
    postings, positions = addresses(postings_arrays), addresses(position_arrays)
    num_lists = len(terms)
    space, chunk = new_words(LIST * num_lists), new_numbers(ROOM)
    lists = address(space)
    room = read_lists(postings, address(sets), address(terms), num_lists, lists)
    out, count, looked, place = new_numbers(room), 0, np.int64(0), np.int64(0)
    if room == 0:
        return out, looked
    word_array = new_words(_WORD * num_words)
    words = address(word_array)
    _begin(postings, address(terms), num_words, words)
    leader = leading(lists, num_lists)
    while True:
        found, place = next_documents(lists, num_lists, leader, postings.num_words, place, address(chunk))
        if found == 0:
            break
        looked += found
        for i in range(found):
            out[count] = chunk[i]
            _go_to(postings, positions, position_arrays.numbers, num_words, words, chunk[i])
            count += _has_window(position_arrays.numbers, num_words, words, slop)
    keep(space)
    keep(word_array)
    return out[:count], looked


@subroutine
def _has_window(numbers, num_words, words, slop):
    """Whether a document has the phrase."""
    for i in range(num_words):
        longs_at(words)[_WORD * i + _TAKEN] = longs_at(words)[_WORD * i + _START]
    window = np.int64(numbers[longs_at(words)[_START]]) - slop
    i = 0
    while i < num_words:
        word, least = longs_at(words + 8 * _WORD * i), window + i
        if word[_TWIN] >= 0:
            least = max(least, np.int64(numbers[longs_at(words)[_WORD * word[_TWIN] + _TAKEN]]) + 1)
        at = word[_TAKEN]
        while at < word[_END] and np.int64(numbers[at]) < least:
            at += 1
        if at == word[_END]:
            return False
        word[_TAKEN] = at
        beyond = np.int64(numbers[at]) - (window + i + slop)
        if beyond > 0:
            window += beyond
            i = 0
        else:
            i += 1
    return True
