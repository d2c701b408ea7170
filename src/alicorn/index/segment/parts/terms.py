"""The sorted term dictionary of a segment, and the terms of each document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.compiled import kernel
from alicorn.index.segment.parts.levenshtein import BYTES, OFFSETS, terms_near

TEXT = "text:"  # prefix of the words of a text, which are counted as the document's length
_REMEMBERED = 65_536  # look-ups that a dictionary keeps: at most some 10 MB


class TermDictionary:
    """The distinct terms of a segment, sorted by UTF-8 bytes; a term's number is its index. Backed by Arrow buffers."""

    def __init__(self, terms: pa.StringArray) -> None:
        self.terms = terms
        self._size = len(terms)
        _, offsets, data = terms.buffers()
        self._offsets = np.frombuffer(offsets, np.int32)[terms.offset :] if self._size else np.empty(0, np.int32)
        self._data = np.frombuffer(b"" if data is None else data, np.uint8)
        self._found: dict[str, int] = {}

    def __len__(self) -> int:
        return self._size

    def find(self, term: str) -> int:
        """The number of the term, or -1."""
        number = self._found.get(term)
        if number is None:
            wanted = np.frombuffer(term.encode("utf-8", "surrogatepass"), np.uint8)
            number = _find_one.entry(self._offsets, self._data, self._size, wanted)
            if len(self._found) >= _REMEMBERED:
                self._found = {}
            self._found[term] = number
        return number

    def find_many(self, terms: pa.BinaryArray) -> np.ndarray:
        """The number of each term, -1 for one not found -> (len(terms),) int64. terms: UTF-8."""
        numbers = np.empty(len(terms), dtype=np.int64)
        _, offsets, data = terms.buffers()
        wanted_offsets = np.frombuffer(offsets, np.int32)[terms.offset :] if len(terms) else np.zeros(1, np.int32)
        wanted = np.frombuffer(data or b"", np.uint8)
        _find_many(self._offsets, self._data, self._size, wanted_offsets, wanted, numbers)
        return numbers

    def prefix(self, prefix: str) -> tuple[int, int]:
        """The numbers [low, high) of the terms that start with the prefix."""
        wanted = _utf8(prefix)
        return self._first_not_below(wanted), self._first_not_below(wanted + b"\xff")  # no UTF-8 text has byte 255

    def near(self, exact: str, word: str, edits: int) -> tuple[np.ndarray, np.ndarray]:
        """The terms that begin with `exact` and then are at most so many edits from a word (levenshtein.py).

        edits: 1 or 2 -> their numbers, ascending, and their edits, (n,) int64 each.
        """
        low, high = self.prefix(exact)
        numbers, distances = np.empty(high - low, dtype=np.int64), np.empty(high - low, dtype=np.int64)
        characters = np.frombuffer(word.encode("utf-32-le", "surrogatepass"), np.int32).copy()
        skip = len(_utf8(exact))
        found = terms_near(self._offsets, self._data, low, high, skip, characters, edits, numbers, distances)
        return numbers[:found].copy(), distances[:found].copy()

    def term(self, number: int) -> str:
        return self._bytes(number).decode()

    def _bytes(self, number: int) -> bytes:
        return self._data[self._offsets[number] : self._offsets[number + 1]].tobytes()

    def _first_not_below(self, wanted: bytes) -> int:
        return int(_first_not_below(self._offsets, self._data, np.frombuffer(wanted, np.uint8), self._size))


@kernel(numba.int64(OFFSETS, BYTES, BYTES, numba.int64))
def _first_not_below(offsets, data, wanted, size):
    """The first of `size` sorted byte strings that is not below `wanted`, by binary search."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        start, stop = offsets[middle], offsets[middle + 1]
        shared = min(stop - start, len(wanted))
        at = 0
        while at < shared and data[start + at] == wanted[at]:
            at += 1
        below = data[start + at] < wanted[at] if at < shared else stop - start < len(wanted)
        if below:
            low = middle + 1
        else:
            high = middle
    return low


@kernel(numba.int64(OFFSETS, BYTES, numba.int64, BYTES))
def _find_one(offsets, data, size, wanted):
    """The number of a byte string among `size` sorted ones, or -1."""
    at = _first_not_below(offsets, data, wanted, size)
    found = at < size and offsets[at + 1] - offsets[at] == len(wanted)
    for j in range(len(wanted) if found else 0):
        found = found and data[offsets[at] + j] == wanted[j]
    return at if found else -1


@kernel(numba.void(OFFSETS, BYTES, numba.int64, OFFSETS, BYTES, numba.int64[::1]))
def _find_many(offsets, data, size, wanted_offsets, wanted, numbers):
    """The number of each wanted byte string among `size` sorted ones; -1 for one not found."""
    for i in range(len(numbers)):
        numbers[i] = _find_one(offsets, data, size, wanted[wanted_offsets[i] : wanted_offsets[i + 1]])


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # a lone surrogate then equals no stored term


@dataclass(frozen=True, eq=False)
class TermLists:
    """The terms of each document in their original order: row i has dictionary[codes[starts[i]:starts[i + 1]]].

    dictionary: distinct terms; codes: int32, or uint16 as stored; starts: (rows + 1,) int32 from 0.
    positioned: the prefixes whose positions are kept; positions: uint32, parallel to codes, the position of each
    term of these prefixes in its document, ascending within a prefix; None without such a prefix, and in a segment.
    """

    dictionary: pa.StringArray
    codes: np.ndarray
    starts: np.ndarray
    positioned: tuple[str, ...] = ()
    positions: np.ndarray | None = None

    @classmethod
    def encode(
        cls, lists: pa.ListArray, positioned: tuple[str, ...] = (), positions: pa.ListArray | None = None
    ) -> TermLists:
        """lists: list<string> without null lists or null terms. positions: list<uint32> of the same lengths."""
        starts = np.zeros(len(lists) + 1, dtype=np.int32)
        np.cumsum(lists.value_lengths().to_numpy(zero_copy_only=False), out=starts[1:])
        encoded = lists.flatten().dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
        numbers = None if positions is None else np.array(positions.flatten(), dtype=np.uint32)
        return cls(encoded.dictionary, codes, starts, positioned, numbers)

    @classmethod
    def concatenate(cls, parts: Sequence[TermLists]) -> TermLists:
        """The rows of all parts, in order, over one dictionary."""
        if len(parts) == 1:
            return replace(parts[0], codes=parts[0].codes.astype(np.int32, copy=False))
        union = pc.unique(pa.concat_arrays([part.dictionary for part in parts]))
        codes = np.empty(sum(len(part.codes) for part in parts), dtype=np.int32)
        start = 0
        for part in parts:
            in_union = pc.index_in(part.dictionary, value_set=union).to_numpy(zero_copy_only=False).astype(np.int32)
            np.take(in_union, part.codes, out=codes[start : start + len(part.codes)], mode="clip")
            start += len(part.codes)
        starts = _starts_of(np.concatenate([np.diff(part.starts) for part in parts]))
        positions = [part.positions for part in parts if part.positions is not None]
        return cls(union, codes, starts, parts[0].positioned, np.concatenate(positions) if positions else None)

    def take(self, rows: np.ndarray) -> TermLists:
        """The given rows, in the given order. rows: (n,) integers."""
        starts = _starts_of(np.diff(self.starts)[rows])
        codes = np.empty(starts[-1], dtype=self.codes.dtype)
        _copy_lists(self.codes, self.starts, rows, codes)
        positions = None
        if self.positions is not None:
            positions = np.empty(starts[-1], dtype=np.uint32)
            _copy_lists(self.positions, self.starts, rows, positions)
        return replace(self, codes=codes, starts=starts, positions=positions)

    def sorted(self) -> TermLists:
        """The same lists over a dictionary that is sorted by UTF-8 bytes, without unused terms."""
        used = np.zeros(len(self.dictionary), dtype=bool)
        used[self.codes] = True
        order = pc.sort_indices(self.dictionary).to_numpy()
        order = order[used[order]]
        rank = np.empty(len(used), dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return replace(self, dictionary=self.dictionary.take(pa.array(order)), codes=rank[self.codes])

    def are_of(self, prefix: str) -> np.ndarray:
        """Which of `codes` are of terms `prefix:...`: (len(codes),) bool."""
        is_own = pc.starts_with(self.dictionary, f"{prefix}:").to_numpy(zero_copy_only=False).astype(bool)
        found: np.ndarray = is_own[self.codes]
        return found

    def without(self, prefix: str) -> TermLists:
        """The lists without the terms of a prefix."""
        kept = ~self.are_of(prefix)
        before = np.zeros(len(kept) + 1, dtype=np.int32)
        np.cumsum(kept, out=before[1:])
        positions = None if self.positions is None else self.positions[kept]
        return replace(self, codes=self.codes[kept], starts=before[self.starts], positions=positions)

    def with_positions(self, positioned: tuple[str, ...]) -> TermLists:
        """The lists with the positions of these prefixes: those they have, and the order of the terms of the others."""
        if positioned == self.positioned:
            return self
        positions = np.zeros(len(self.codes), dtype=np.uint32)
        for prefix in positioned:
            own = np.flatnonzero(self.are_of(prefix))
            if prefix in self.positioned and self.positions is not None:
                positions[own] = self.positions[own]
            else:
                positions[own] = places_in_rows(own, self.starts)[1]
        return replace(self, positioned=positioned, positions=positions if positioned else None)

    @cached_property
    def array(self) -> pa.ListArray:
        """The lists as an Arrow array of list<dictionary<integer, string>>, without a copy."""
        values = pa.DictionaryArray.from_arrays(pa.array(self.codes), self.dictionary)
        return pa.ListArray.from_arrays(pa.array(self.starts), values)

    def narrowed(self) -> np.ndarray:
        """The codes in the smallest type that holds them."""
        return self.codes.astype(np.uint16 if len(self.dictionary) <= 1 << 16 else np.int32, copy=False)

    @property
    def nbytes(self) -> int:
        positions = 0 if self.positions is None else self.positions.nbytes
        return int(self.codes.nbytes + self.starts.nbytes + self.dictionary.nbytes + positions)


def places_in_rows(own: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of some entries of lists, and the place of each among those of its row: (len(own),) int64 each.

    own: ascending indices of entries; starts: (rows + 1,), where the rows begin.
    """
    rows = np.searchsorted(starts, own, side="right") - 1
    firsts = np.searchsorted(own, starts[:-1])
    return rows, np.arange(len(own)) - firsts[rows]


def _starts_of(lengths: np.ndarray) -> np.ndarray:
    starts = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=starts[1:])
    return starts


@kernel(*[f"void({kind}[::1], int32[::1], int64[::1], {kind}[::1])" for kind in ("int32", "uint16", "uint32")])
def _copy_lists(codes, starts, rows, out):
    at = 0
    for row in rows:
        for place in range(starts[row], starts[row + 1]):
            out[at] = codes[place]
            at += 1


@kernel("void(int32[::1], int32[::1], int64[::1])")
def count_holders(codes, starts, counts):
    """Add the number of documents of each term to counts, (terms,). codes, starts: of TermLists."""
    last = np.full(len(counts), -1, dtype=np.int64)
    for doc in range(len(starts) - 1):
        for at in range(starts[doc], starts[doc + 1]):
            term = codes[at]
            if last[term] != doc:
                last[term] = doc
                counts[term] += 1


@kernel("void(int32[::1], int32[::1], int64[::1], uint32[::1], uint8[::1])")
def invert(codes, starts, posting_starts, postings, frequencies):
    """Posting lists and frequencies, as in Segment, from the terms of the documents."""
    free = posting_starts[:-1].copy()
    last = np.full(len(free), -1, dtype=np.int64)
    for doc in range(len(starts) - 1):
        for at in range(starts[doc], starts[doc + 1]):
            term = codes[at]
            if last[term] != doc:
                last[term] = doc
                postings[free[term]] = doc
                frequencies[free[term]] = 1
                free[term] += 1
            elif frequencies[free[term] - 1] < 255:
                frequencies[free[term] - 1] += 1
